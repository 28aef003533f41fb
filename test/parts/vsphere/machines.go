package main

import (
	"encoding/json"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// newVM says what VM to create.
type newVM struct {
	Name     string            `json:"name"`
	Folder   string            `json:"folder"`
	UUID     string            `json:"uuid"`
	CPUs     int32             `json:"cpus"`
	MemoryMB int64             `json:"memoryMb"`
	Power    string            `json:"power"` // as vCenter says it; empty: poweredOff
	Template bool              `json:"template"`
	Fields   map[string]string `json:"fields"`
	Extra    map[string]string `json:"extra"`
	Host     string            `json:"host"` // empty: any
	// Pending is the power state that a host was bringing it to: hosts continue while vCenter is down.
	Pending string `json:"pending,omitempty"`
	// Behaviour is that of the host and the guest, which a vCenter that ends does not change.
	Behaviour *behaviour `json:"behaviour,omitempty"`
	// Operations that were begun, and the power states that followed, from any source.
	Operations int      `json:"operations"`
	Effects    []string `json:"effects"`
}

// create makes a VM with a new instance UUID, unless one is given.
func (c *center) create(spec newVM) (string, error) {
	if spec.UUID == "" {
		spec.UUID = uuid.NewString()
	}
	finder := find.NewFinder(c.client, true)
	dc, err := finder.DefaultDatacenter(inside)
	if err != nil {
		return "", err
	}
	folder, err := c.folder(finder.SetDatacenter(dc), dc, spec.Folder)
	if err != nil {
		return "", err
	}
	pool, err := finder.ResourcePoolOrDefault(inside, c.poolPath())
	if err != nil {
		return "", err
	}
	config := types.VirtualMachineConfigSpec{
		Name:         spec.Name,
		InstanceUuid: spec.UUID,
		GuestId:      string(types.VirtualMachineGuestOsIdentifierOtherGuest),
		NumCPUs:      max(spec.CPUs, 1),
		MemoryMB:     max(spec.MemoryMB, 1024),
		Files:        &types.VirtualMachineFileInfo{VmPathName: "[LocalDS_0]"},
	}
	for key, value := range spec.Extra {
		config.ExtraConfig = append(config.ExtraConfig, &types.OptionValue{Key: key, Value: value})
	}
	var host *object.HostSystem
	if spec.Host != "" {
		found, err := c.host(spec.Host)
		if err != nil {
			return "", err
		}
		host = object.NewHostSystem(c.client, found.Self)
	}
	task, err := folder.CreateVM(inside, config, pool, host)
	if err != nil {
		return "", err
	}
	info, err := task.WaitForResult(inside)
	if err != nil {
		return "", err
	}
	ref := info.Result.(types.ManagedObjectReference)
	vm := c.model.Map().Get(ref).(*simulator.VirtualMachine)
	if err := c.dress(vm, spec); err != nil {
		return "", err
	}
	c.mu.Lock()
	c.operations[vm.Self], c.effects[vm.Self] = spec.Operations, spec.Effects
	if spec.Behaviour != nil {
		c.behaviour[vm.Self] = spec.Behaviour
	}
	c.mu.Unlock()
	if spec.Pending != "" {
		go c.goOn(vm, types.VirtualMachinePowerState(spec.Pending))
	}
	c.keep()
	return spec.UUID, nil
}

// goOn is what a host does to a VM while vCenter is down: it asks its question still, and no task of vCenter shows it.
func (c *center) goOn(vm *simulator.VirtualMachine, state types.VirtualMachinePowerState) {
	c.mu.Lock()
	c.pending[vm.Self] = string(state)
	c.mu.Unlock()
	time.Sleep(200 * time.Millisecond)
	c.await(func() bool { return !c.of(vm).Never })
	ctx := c.context()
	if vm.Runtime.PowerState != state && c.ask(ctx, vm, state) == nil {
		ctx.WithLock(vm, func() { c.setPower(ctx, vm, state) })
	}
	c.mu.Lock()
	delete(c.pending, vm.Self)
	c.mu.Unlock()
	c.keep()
}

// dress gives a new VM what cannot be said when it is created.
func (c *center) dress(vm *simulator.VirtualMachine, spec newVM) error {
	for name, value := range spec.Fields {
		manager, err := object.GetCustomFieldsManager(c.client)
		if err != nil {
			return err
		}
		key, err := manager.FindKey(inside, name)
		if err != nil {
			field, err := manager.Add(inside, name, "VirtualMachine", nil, nil)
			if err != nil {
				return err
			}
			key = field.Key
		}
		if err := manager.Set(inside, vm.Self, key, value); err != nil {
			return err
		}
	}
	ctx := c.context()
	ctx.WithLock(vm, func() {
		if spec.Template {
			ctx.Update(vm, []types.PropertyChange{{Name: "config.template", Val: true}, {Name: "summary.config.template", Val: true}})
		}
		if spec.Power != "" && spec.Power != string(vm.Runtime.PowerState) {
			c.setPower(ctx, vm, types.VirtualMachinePowerState(spec.Power))
		}
	})
	return nil
}

func (c *center) poolPath() string {
	if c.esx {
		return ""
	}
	return "DC0_C0/Resources"
}

func (c *center) folder(finder *find.Finder, dc *object.Datacenter, name string) (*object.Folder, error) {
	folders, err := dc.Folders(inside)
	if err != nil {
		return nil, err
	}
	at := folders.VmFolder
	if c.esx {
		return at, nil
	}
	for _, part := range strings.Split(name, "/") {
		if part == "" {
			continue
		}
		found, err := finder.Folder(inside, path.Join(at.InventoryPath, part))
		if err != nil {
			if found, err = at.CreateFolder(inside, part); err != nil {
				return nil, err
			}
			found.InventoryPath = path.Join(at.InventoryPath, part)
		}
		at = found
	}
	return at, nil
}

// keep has all VMs written to the state file soon, so that they survive a kill as a vCenter's database does. Callers may hold locks.
func (c *center) keep() {
	select {
	case c.dirty <- struct{}{}:
	default:
	}
}

func (c *center) keepWriting() {
	for range c.dirty {
		c.write()
	}
}

// kept is what a vCenter has in its database.
type kept struct {
	Fields []string `json:"fields"` // names of custom attributes, by key
	VMs    []newVM  `json:"vms"`
}

// fieldNames are the names of all custom attributes in the order of their keys, which are the same after a restart.
func (c *center) fieldNames() []string {
	names := []string{}
	manager, err := object.GetCustomFieldsManager(c.client)
	if err != nil {
		return names
	}
	defs, err := manager.Field(inside)
	must(err)
	slices.SortFunc(defs, func(a types.CustomFieldDef, b types.CustomFieldDef) int { return int(a.Key - b.Key) })
	for _, def := range defs {
		names = append(names, def.Name)
	}
	return names
}

func (c *center) write() {
	c.writing.Lock()
	defer c.writing.Unlock()
	data, err := json.Marshal(kept{c.fieldNames(), c.list()})
	must(err)
	draft := c.stateFile + ".draft"
	must(os.WriteFile(draft, data, 0o600))
	must(os.Rename(draft, c.stateFile))
}

// restore creates the VMs of the state file; false: there is none.
func (c *center) restore() bool {
	data, err := os.ReadFile(c.stateFile)
	if err != nil {
		return false
	}
	var state kept
	must(json.Unmarshal(data, &state))
	manager, err := object.GetCustomFieldsManager(c.client)
	for _, name := range state.Fields {
		must(err)
		_, err := manager.Add(inside, name, "VirtualMachine", nil, nil)
		must(err)
	}
	for _, each := range state.VMs {
		_, err := c.create(each)
		must(err)
	}
	return true
}

func (c *center) list() []newVM {
	ctx := c.context()
	all := []newVM{}
	names := map[int32]string{}
	if manager, err := object.GetCustomFieldsManager(c.client); err == nil {
		if defs, err := manager.Field(inside); err == nil {
			for _, def := range defs {
				names[def.Key] = def.Name
			}
		}
	}
	for _, each := range c.model.Map().All("VirtualMachine") {
		vm := each.(*simulator.VirtualMachine)
		ctx.WithLock(vm, func() {
			one := newVM{
				Name: vm.Name, Folder: c.folderOf(vm), UUID: vm.Config.InstanceUuid, CPUs: vm.Config.Hardware.NumCPU,
				MemoryMB: int64(vm.Config.Hardware.MemoryMB), Power: string(vm.Runtime.PowerState), Template: vm.Config.Template,
				Fields: map[string]string{}, Extra: map[string]string{}, Host: c.hostName(vm.Runtime.Host),
			}
			c.mu.Lock()
			one.Operations, one.Effects, one.Pending = c.operations[vm.Self], slices.Clone(c.effects[vm.Self]), c.pending[vm.Self]
			if told := c.behaviour[vm.Self]; told != nil {
				copied := *told
				one.Behaviour = &copied
			}
			c.mu.Unlock()
			for _, field := range vm.CustomValue {
				if value, ok := field.(*types.CustomFieldStringValue); ok {
					one.Fields[names[value.Key]] = value.Value
				}
			}
			for _, option := range vm.Config.ExtraConfig {
				if value, ok := option.GetOptionValue().Value.(string); ok {
					one.Extra[option.GetOptionValue().Key] = value
				}
			}
			all = append(all, one)
		})
	}
	return all
}

// folderOf is the path of a VM's folder below the datacenter's own.
func (c *center) folderOf(vm *simulator.VirtualMachine) string {
	parts := []string{}
	for parent := vm.Parent; parent != nil; {
		folder, ok := c.model.Map().Get(*parent).(*simulator.Folder)
		if !ok {
			break
		}
		parts = append([]string{folder.Name}, parts...)
		parent = folder.Parent
	}
	if len(parts) > 0 {
		parts = parts[1:]
	}
	return strings.Join(parts, "/")
}
