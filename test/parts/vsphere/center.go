package main

import (
	"context"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// insideKey marks calls that the program itself makes: they are not counted and meet no faults.
type insideKey struct{}

var inside = context.WithValue(context.Background(), insideKey{}, true)

// fault says which method fails, and how. The call itself fails, or the task that it starts.
type fault struct {
	Method  string   `json:"method"`
	Type    string   `json:"type"`
	Keys    []string `json:"keys"`
	Message string   `json:"message"`
	Times   int      `json:"times"` // 0: every time
	Call    bool     `json:"call"`

	hits int
}

// question is what a VM asks before it powers on.
type question struct {
	ID      string            `json:"id"`
	Text    string            `json:"text"`
	Choices map[string]string `json:"choices"` // key to label
}

// behaviour of one VM; the zero value obeys at once.
type behaviour struct {
	Faults     []*fault  `json:"faults"`
	Never      bool      `json:"never"` // its power tasks stay running until this is false again
	Question   *question `json:"question"`
	Deaf       bool      `json:"deaf"`       // ShutdownGuest and StandbyGuest do nothing
	Slow       int       `json:"slow"`       // milliseconds that its power operations take on top
	NoTools    bool      `json:"noTools"`    // VMware Tools never run
	ToolsAfter int       `json:"toolsAfter"` // milliseconds from power-on until they do
	Manual     bool      `json:"manual"`     // DRS leaves this VM to people, whatever the level of its cluster
	NoRoom     string    `json:"noRoom"`     // type of the fault in notAttempted of PowerOnMultiVM
}

// call is a line of the journal: a call that asks for power, or for a record of who asked.
type call struct {
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	VM     string    `json:"vm"`
	Value  string    `json:"value,omitempty"`
}

// center is the whole thing. mu guards all below it.
type center struct {
	model     *simulator.Model
	esx       bool
	client    *vim25.Client
	url       *url.URL // with user and password
	stateFile string
	dirty     chan struct{}
	writing   sync.Mutex

	mu         sync.Mutex
	behaviour  map[types.ManagedObjectReference]*behaviour
	busy       map[types.ManagedObjectReference]types.ManagedObjectReference
	operations map[types.ManagedObjectReference]int
	effects    map[types.ManagedObjectReference][]string
	pending    map[types.ManagedObjectReference]string
	password   string
	answered   map[types.ManagedObjectReference]bool
	delays     map[string]int
	page       int32 // objects in one answer to a read of properties; 0: all
	faults     []*fault
	counts     map[string]int
	journal    []call
	sessions   map[string]*fakeCollector
	expired    time.Time // sessions that began before it have ended
	silent     bool      // such a session answers reads of properties, and says of each that it is missing
	drs        string
	denied     map[string]bool                                  // privileges that no user has
	dressed    map[string]map[types.ManagedObjectReference]bool // by session
}

func newCenter(model *simulator.Model, esx bool, stateFile string) *center {
	client, err := vim25.NewClient(inside, model.Service)
	must(err)
	return &center{
		model:      model,
		esx:        esx,
		client:     client,
		stateFile:  stateFile,
		dirty:      make(chan struct{}, 1),
		behaviour:  map[types.ManagedObjectReference]*behaviour{},
		busy:       map[types.ManagedObjectReference]types.ManagedObjectReference{},
		operations: map[types.ManagedObjectReference]int{},
		effects:    map[types.ManagedObjectReference][]string{},
		pending:    map[types.ManagedObjectReference]string{},
		answered:   map[types.ManagedObjectReference]bool{},
		delays:     map[string]int{},
		counts:     map[string]int{},
		sessions:   map[string]*fakeCollector{},
		dressed:    map[string]map[types.ManagedObjectReference]bool{},
	}
}

// reader may log in with the same password, and may change nothing.
const reader = "reader"

var changes = []string{
	"SetField", "AddCustomFieldDef", "ReconfigVM_Task", "PowerOnVM_Task", "PowerOffVM_Task", "SuspendVM_Task",
	"PowerOnMultiVM_Task", "ShutdownGuest", "StandbyGuest", "AnswerVM", "RelocateVM_Task", "ReconfigureComputeResource_Task",
}

// handle sees every call: it counts them, refuses those of expired sessions, and puts our objects before the library's.
func (c *center) handle(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if ctx.Context.Value(insideKey{}) != nil {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[method.Name]++
	if err := c.checkSession(ctx, method); err != nil {
		return nil, err
	}
	if ctx.Session != nil && ctx.Session.UserName == reader && slices.Contains(changes, method.Name) {
		return nil, &types.NoPermission{Object: &method.This, PrivilegeId: "VirtualMachine.Interact.PowerOn"}
	}
	if f := hit(c.faults, method.Name, true); f != nil {
		return nil, f.made()
	}
	if ctx.Session != nil {
		c.dressSession(ctx, method.This)
	}
	return nil, nil
}

// dressSession puts our object before the library's, which a session looks up in its own registry first.
func (c *center) dressSession(ctx *simulator.Context, this types.ManagedObjectReference) {
	own := ctx.Session.Registry
	for ref := range c.dressed[ctx.Session.Key] {
		if ctx.Map.Get(ref) == nil {
			own.Remove(ctx, ref)
			delete(c.dressed[ctx.Session.Key], ref)
		}
	}
	if own.Get(this) != nil {
		return
	}
	switch target := ctx.Map.Get(this).(type) {
	case *simulator.VirtualMachine:
		own.Put(&fakeVM{target, c})
	case *simulator.ClusterComputeResource:
		own.Put(&fakeCluster{target, c})
	case *simulator.Datacenter:
		own.Put(&fakeDatacenter{target, c})
	case *simulator.CustomFieldsManager:
		own.Put(&fakeFields{target, c})
	case *simulator.PropertyCollector:
		own.Put(&fakeProperties{target, c})
	case *simulator.AuthorizationManager:
		own.Put(&fakeRights{target, c})
	default:
		return
	}
	if c.dressed[ctx.Session.Key] == nil {
		c.dressed[ctx.Session.Key] = map[types.ManagedObjectReference]bool{}
	}
	c.dressed[ctx.Session.Key][this] = true
}

func (c *center) checkSession(ctx *simulator.Context, method *simulator.Method) types.BaseMethodFault {
	if ctx.Session == nil || method.Name == "Login" || method.Name == "RetrieveServiceContent" {
		return nil
	}
	if login := ctx.Session.LoginTime; !login.IsZero() && login.Before(c.expired) {
		if c.silent && method.Name == "RetrievePropertiesEx" {
			return nil
		}
		return &types.NotAuthenticated{NoPermission: types.NoPermission{Object: &method.This, PrivilegeId: "System.View"}}
	}
	if method.Name == "WaitForUpdatesEx" {
		collector, ok := ctx.Session.Get(method.This).(*fakeCollector)
		if of, is := ctx.Session.Get(method.This).(*simulator.PropertyCollector); is {
			collector, ok = newCollector(of, c), true
			ctx.Session.Registry.Put(collector)
		}
		if ok {
			c.sessions[ctx.Session.Key] = collector
		}
	}
	return nil
}

// expire ends every session, and the calls that wait in them.
func (c *center) expire(silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expired, c.silent = time.Now(), silent
	for _, collector := range c.sessions {
		collector.CancelWaitForUpdates(&types.CancelWaitForUpdates{})
	}
	c.sessions = map[string]*fakeCollector{}
}

// hit finds the fault that meets a call or its task, and uses it up.
func hit(faults []*fault, method string, call bool) *fault {
	for _, f := range faults {
		if f.Method == method && f.Call == call && (f.Times == 0 || f.hits < f.Times) {
			f.hits++
			return f
		}
	}
	return nil
}

// made is the fault that a caller gets.
func (f *fault) made() types.BaseMethodFault {
	made, err := faultOf(f.Type, f.Keys)
	must(err)
	return made
}

func newFault(of reflect.Type, keys []string) (types.BaseMethodFault, error) {
	value := reflect.New(of)
	made, ok := value.Interface().(types.BaseMethodFault)
	if !ok {
		return nil, fmt.Errorf("%s is no fault", of.Name())
	}
	for _, key := range keys {
		base := made.GetMethodFault()
		base.FaultMessage = append(base.FaultMessage, types.LocalizableMessage{Key: key, Message: "text of " + key})
	}
	if no, ok := made.(*types.NoPermission); ok {
		no.PrivilegeId = "VirtualMachine.Interact.PowerOn"
	}
	return made, nil
}

// context of its own for work in the background: locks are held by contexts.
func (c *center) context() *simulator.Context {
	base := c.model.Service.Context
	return &simulator.Context{Context: inside, Session: base.Session, Map: base.Map}
}

func (c *center) vm(name string) (*simulator.VirtualMachine, error) {
	for _, each := range c.model.Map().All("VirtualMachine") {
		if vm, ok := each.(*simulator.VirtualMachine); ok && vm.Name == name {
			return vm, nil
		}
	}
	return nil, fmt.Errorf("there is no VM %s", name)
}

func (c *center) cluster() (*object.ClusterComputeResource, *simulator.ClusterComputeResource) {
	found, _ := c.model.Map().Any("ClusterComputeResource").(*simulator.ClusterComputeResource)
	if found == nil {
		return nil, nil
	}
	return object.NewClusterComputeResource(c.client, found.Self), found
}

// setDrs sets the automation level of the cluster; "off" switches DRS off.
func (c *center) setDrs(level string) error {
	c.mu.Lock()
	c.drs = level
	c.mu.Unlock()
	cluster, known := c.cluster()
	if cluster == nil {
		return fmt.Errorf("there is no cluster")
	}
	config := &types.ClusterDrsConfigInfo{Enabled: types.NewBool(level != "off")}
	if level != "off" {
		config.DefaultVmBehavior = types.DrsBehavior(level)
	}
	task, err := cluster.Reconfigure(inside, &types.ClusterConfigSpecEx{DrsConfig: config}, true)
	if err != nil {
		return err
	}
	if err := task.Wait(inside); err != nil {
		return err
	}
	c.tellOf(known)
	return nil
}
