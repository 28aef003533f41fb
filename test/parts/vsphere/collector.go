package main

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// pageSize is the number of objects in one answer, as of vCenter.
const pageSize = 100

// gather is the time in which changes are gathered before they are told; tests lengthen it.
const gather = 20 * time.Millisecond

// fakeCollector waits for updates as a real one does. The library's goes through all objects for each change of one, so that a hundred
// VMs that power on at once would take it minutes.
type fakeCollector struct {
	*simulator.PropertyCollector
	center *center

	mu       sync.Mutex
	changes  []types.ObjectUpdate
	known    map[types.ManagedObjectReference]bool
	queue    []types.PropertyFilterUpdate
	wake     chan struct{}
	canceled bool
}

func newCollector(of *simulator.PropertyCollector, c *center) *fakeCollector {
	return &fakeCollector{
		PropertyCollector: of,
		center:            c,
		known:             map[types.ManagedObjectReference]bool{},
		wake:              make(chan struct{}, 1),
	}
}

// The registry tells of each object that comes, changes or goes.

func (f *fakeCollector) PutObject(_ *simulator.Context, o mo.Reference) {
	f.add(types.ObjectUpdate{Obj: o.Reference(), Kind: types.ObjectUpdateKindEnter})
}

func (f *fakeCollector) UpdateObject(_ *simulator.Context, o mo.Reference, changes []types.PropertyChange) {
	f.add(types.ObjectUpdate{Obj: o.Reference(), Kind: types.ObjectUpdateKindModify, ChangeSet: slices.Clone(changes)})
}

func (f *fakeCollector) RemoveObject(_ *simulator.Context, ref types.ManagedObjectReference) {
	f.add(types.ObjectUpdate{Obj: ref, Kind: types.ObjectUpdateKindLeave})
}

func (f *fakeCollector) add(change types.ObjectUpdate) {
	f.mu.Lock()
	f.changes = append(f.changes, change)
	f.mu.Unlock()
	f.signal()
}

func (f *fakeCollector) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *fakeCollector) CancelWaitForUpdates(*types.CancelWaitForUpdates) soap.HasFault {
	f.mu.Lock()
	f.canceled = true
	f.mu.Unlock()
	f.signal()
	return &methods.CancelWaitForUpdatesBody{Res: new(types.CancelWaitForUpdatesResponse)}
}

func (f *fakeCollector) WaitForUpdatesEx(ctx *simulator.Context, r *types.WaitForUpdatesEx) soap.HasFault {
	body := &methods.WaitForUpdatesExBody{Res: new(types.WaitForUpdatesExResponse)}
	if r.Version == "" {
		ctx.Map.AddHandler(f)
		for _, ref := range f.Filter {
			f.enter(ctx, ref)
		}
		body.Res.Returnval = f.page()
		return body
	}
	limit := time.Minute
	if r.Options != nil && r.Options.MaxWaitSeconds != nil {
		limit = time.Duration(*r.Options.MaxWaitSeconds) * time.Second
	}
	deadline := time.After(limit)
	for len(f.queue) == 0 {
		select {
		case <-deadline:
			return body
		case <-f.wake:
		}
		f.mu.Lock()
		canceled := f.canceled
		f.canceled = false
		f.mu.Unlock()
		if canceled {
			return &methods.WaitForUpdatesExBody{Fault_: simulator.Fault("", new(types.RequestCanceled))}
		}
		time.Sleep(gather)
		f.center.holdBack("WaitForUpdatesEx")
		f.mu.Lock()
		changes := f.changes
		f.changes = nil
		f.mu.Unlock()
		f.tell(ctx, changes)
	}
	body.Res.Returnval = f.page()
	return body
}

// page takes what one answer holds from the queue.
func (f *fakeCollector) page() *types.UpdateSet {
	set := &types.UpdateSet{Version: "-"}
	for room := pageSize; room > 0 && len(f.queue) > 0; {
		first := &f.queue[0]
		n := min(room, len(first.ObjectSet))
		set.FilterSet = append(set.FilterSet, types.PropertyFilterUpdate{Filter: first.Filter, ObjectSet: first.ObjectSet[:n]})
		first.ObjectSet = first.ObjectSet[n:]
		room -= n
		if len(first.ObjectSet) == 0 {
			f.queue = f.queue[1:]
		}
	}
	set.Truncated = types.NewBool(len(f.queue) > 0)
	return set
}

// enter queues the objects of a filter that were not told of yet.
func (f *fakeCollector) enter(ctx *simulator.Context, ref types.ManagedObjectReference) {
	spec := f.spec(ctx, ref)
	if spec == nil {
		return
	}
	update := types.PropertyFilterUpdate{Filter: ref}
	for _, object := range f.read(ctx, *spec) {
		if !f.known[object.Obj] {
			f.known[object.Obj] = true
			update.ObjectSet = append(update.ObjectSet, types.ObjectUpdate{
				Kind: types.ObjectUpdateKindEnter, Obj: object.Obj, ChangeSet: assigned(object, nil),
			})
		}
	}
	if len(update.ObjectSet) > 0 {
		f.queue = append(f.queue, update)
	}
}

// tell queues what has changed of the objects that are watched.
func (f *fakeCollector) tell(ctx *simulator.Context, changes []types.ObjectUpdate) {
	for _, ref := range f.Filter {
		spec := f.spec(ctx, ref)
		if spec == nil {
			continue
		}
		update := types.PropertyFilterUpdate{Filter: ref}
		viewed := false
		for _, change := range changes {
			viewed = viewed || change.Obj == spec.ObjectSet[0].Obj
			for _, set := range spec.PropSet {
				if set.Type == change.Obj.Type {
					if told, ok := f.changeOf(ctx, change, set); ok {
						update.ObjectSet = append(update.ObjectSet, told)
					}
				}
			}
		}
		if len(update.ObjectSet) > 0 {
			f.queue = append(f.queue, update)
		}
		if viewed {
			f.enter(ctx, ref)
		}
	}
}

func (f *fakeCollector) changeOf(ctx *simulator.Context, change types.ObjectUpdate, set types.PropertySpec) (types.ObjectUpdate, bool) {
	known := f.known[change.Obj]
	if change.Kind == types.ObjectUpdateKindLeave {
		delete(f.known, change.Obj)
		return change, known
	}
	if ctx.Map.Get(change.Obj) == nil {
		return change, false // It is gone, and changes on.
	}
	if !known && change.Obj.Type == "Task" {
		return change, false // Tasks come with their view.
	}
	paths := set.PathSet
	// An object is put before it has all its properties, and named last.
	named := slices.ContainsFunc(change.ChangeSet, func(each types.PropertyChange) bool { return each.Name == "name" })
	if known && !named {
		paths = affected(paths, change.ChangeSet)
	}
	if len(paths) == 0 {
		return change, false
	}
	one := types.PropertyFilterSpec{
		PropSet:   []types.PropertySpec{{Type: set.Type, PathSet: paths}},
		ObjectSet: []types.ObjectSpec{{Obj: change.Obj}},
	}
	for _, object := range f.read(ctx, one) {
		kind := types.ObjectUpdateKindModify
		if !known {
			kind = types.ObjectUpdateKindEnter
		}
		f.known[change.Obj] = true
		return types.ObjectUpdate{Kind: kind, Obj: change.Obj, ChangeSet: assigned(object, paths)}, true
	}
	return change, false
}

// affected are the paths that a change touches: the same, what is within it, and what it is within.
func affected(paths []string, changes []types.PropertyChange) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		return !slices.ContainsFunc(changes, func(change types.PropertyChange) bool {
			name := change.Name
			return name == path || strings.HasPrefix(path, name+".") || strings.HasPrefix(path, name+"[") ||
				strings.HasPrefix(name, path+".") || strings.HasPrefix(name, path+"[")
		})
	})
}

// assigned are the values of an object; of paths that are named and have none it says so.
func assigned(object types.ObjectContent, paths []string) []types.PropertyChange {
	changes := []types.PropertyChange{}
	has := map[string]bool{}
	for _, property := range object.PropSet {
		has[property.Name] = true
		changes = append(changes, types.PropertyChange{Op: types.PropertyChangeOpAssign, Name: property.Name, Val: property.Val})
	}
	for _, path := range paths {
		if !has[path] {
			changes = append(changes, types.PropertyChange{Op: types.PropertyChangeOpAssign, Name: path})
		}
	}
	return changes
}

func (f *fakeCollector) spec(ctx *simulator.Context, ref types.ManagedObjectReference) *types.PropertyFilterSpec {
	filter, ok := ctx.Session.Get(ref).(*simulator.PropertyFilter)
	if !ok {
		return nil
	}
	return &filter.Spec
}

func (f *fakeCollector) read(ctx *simulator.Context, spec types.PropertyFilterSpec) []types.ObjectContent {
	request := &types.RetrievePropertiesEx{This: f.Self, SpecSet: []types.PropertyFilterSpec{spec}}
	body, ok := f.RetrievePropertiesEx(ctx, request).(*methods.RetrievePropertiesExBody)
	if !ok || body.Res == nil || body.Res.Returnval == nil {
		return nil
	}
	return body.Res.Returnval.Objects
}
