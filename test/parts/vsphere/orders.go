package main

import (
	"fmt"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// newVapp says what vApp to create around VMs that exist.
type newVapp struct {
	Name     string       `json:"name"`
	Parent   string       `json:"parent"` // another vApp; empty: the cluster's own pool
	Entities []vappEntity `json:"entities"`
}

// vappEntity is a VM or a vApp in a vApp.
type vappEntity struct {
	VM   string `json:"vm"`
	Vapp string `json:"vapp"`
	types.VAppEntityConfigInfo
}

// createVapp makes a vApp, or changes what is in it: inner ones are made after it, and name it as their parent.
func (c *center) createVapp(spec newVapp) (any, error) {
	if known, err := c.vapp(spec.Name); err == nil {
		return nil, c.setEntities(known.Self, spec.Entities)
	}
	finder := find.NewFinder(c.client, true)
	dc, err := finder.DefaultDatacenter(inside)
	if err != nil {
		return nil, err
	}
	folder, err := c.folder(finder.SetDatacenter(dc), dc, "")
	if err != nil {
		return nil, err
	}
	pool, err := c.poolOf(finder, spec.Parent)
	if err != nil {
		return nil, err
	}
	made, err := pool.CreateVApp(inside, spec.Name, types.DefaultResourceConfigSpec(), types.VAppConfigSpec{}, folder)
	if err != nil {
		return nil, err
	}
	if outer, err := c.vapp(spec.Parent); err == nil {
		// The library adds it to a copy.
		ctx := c.context()
		ctx.WithLock(outer, func() { outer.ResourcePool.ResourcePool = append(outer.ResourcePool.ResourcePool, made.Reference()) })
	}
	return nil, c.setEntities(made.Reference(), spec.Entities)
}

func (c *center) poolOf(finder *find.Finder, vapp string) (*object.ResourcePool, error) {
	if vapp == "" {
		return finder.ResourcePoolOrDefault(inside, c.poolPath())
	}
	found, err := c.vapp(vapp)
	if err != nil {
		return nil, err
	}
	return object.NewResourcePool(c.client, found.Self), nil
}

func (c *center) vapp(name string) (*simulator.VirtualApp, error) {
	for _, each := range c.model.Map().All("VirtualApp") {
		if vapp, ok := each.(*simulator.VirtualApp); ok && vapp.Name == name {
			return vapp, nil
		}
	}
	return nil, fmt.Errorf("there is no vApp %s", name)
}

func (c *center) setEntities(ref types.ManagedObjectReference, entities []vappEntity) error {
	vapp := c.model.Map().Get(ref).(*simulator.VirtualApp)
	ctx := c.context()
	config := &types.VAppConfigInfo{}
	for _, each := range entities {
		if each.Vapp != "" {
			inner, err := c.vapp(each.Vapp)
			if err != nil {
				return err
			}
			each.Key = &inner.Self
		} else {
			vm, err := c.vm(each.VM)
			if err != nil {
				return err
			}
			each.Key = &vm.Self
			ctx.WithLock(vm, func() {
				ctx.Update(vm, []types.PropertyChange{{Name: "resourcePool", Val: &ref}, {Name: "parentVApp", Val: &ref}})
			})
		}
		config.EntityConfig = append(config.EntityConfig, each.VAppEntityConfigInfo)
	}
	ctx.WithLock(vapp, func() { vapp.VAppConfig = config })
	return nil
}

// dependencies are VM groups of the cluster, and which HA restarts after which.
type dependencies struct {
	Groups map[string][]string `json:"groups"` // names of VMs
	Rules  []struct {
		VMGroup   string `json:"vmGroup"`
		DependsOn string `json:"dependsOn"`
	} `json:"rules"`
	Readiness map[string]types.ClusterVmReadiness `json:"readiness"` // by VM
}

func (c *center) setDependencies(told dependencies) (any, error) {
	spec := &types.ClusterConfigSpecEx{}
	for name, vms := range told.Groups {
		group := &types.ClusterVmGroup{ClusterGroupInfo: types.ClusterGroupInfo{Name: name}}
		for _, each := range vms {
			vm, err := c.vm(each)
			if err != nil {
				return nil, err
			}
			group.Vm = append(group.Vm, vm.Self)
		}
		spec.GroupSpec = append(spec.GroupSpec, types.ClusterGroupSpec{
			ArrayUpdateSpec: types.ArrayUpdateSpec{Operation: types.ArrayUpdateOperationAdd}, Info: group,
		})
	}
	for n, rule := range told.Rules {
		spec.RulesSpec = append(spec.RulesSpec, types.ClusterRuleSpec{
			ArrayUpdateSpec: types.ArrayUpdateSpec{Operation: types.ArrayUpdateOperationAdd},
			Info: &types.ClusterDependencyRuleInfo{
				ClusterRuleInfo: types.ClusterRuleInfo{Name: fmt.Sprintf("dependency-%d", n), Enabled: types.NewBool(true)},
				VmGroup:         rule.VMGroup, DependsOnVmGroup: rule.DependsOn,
			},
		})
	}
	for name, readiness := range told.Readiness {
		vm, err := c.vm(name)
		if err != nil {
			return nil, err
		}
		spec.VmOrchestrationSpec = append(spec.VmOrchestrationSpec, types.ClusterVmOrchestrationSpec{
			ArrayUpdateSpec: types.ArrayUpdateSpec{Operation: types.ArrayUpdateOperationAdd},
			Info:            &types.ClusterVmOrchestrationInfo{Vm: vm.Self, VmReadiness: readiness},
		})
	}
	cluster, _ := c.cluster()
	if cluster == nil {
		return nil, fmt.Errorf("there is no cluster")
	}
	task, err := cluster.Reconfigure(inside, spec, true)
	if err != nil {
		return nil, err
	}
	return nil, task.Wait(inside)
}

// autostart is what a host starts with itself.
type autostart struct {
	Defaults types.AutoStartDefaults `json:"defaults"`
	Order    []struct {
		VM string `json:"vm"`
		types.AutoStartPowerInfo
	} `json:"order"`
}

func (c *center) setAutostart(told autostart) (any, error) {
	host := c.model.Map().Any("HostSystem").(*simulator.HostSystem)
	config := &types.HostAutoStartManagerConfig{Defaults: &told.Defaults}
	for _, each := range told.Order {
		vm, err := c.vm(each.VM)
		if err != nil {
			return nil, err
		}
		each.Key = vm.Self
		config.PowerInfo = append(config.PowerInfo, each.AutoStartPowerInfo)
	}
	ctx := c.context()
	ctx.WithLock(host, func() {
		// Hosts share what the library gives them.
		own := types.HostConfigInfo{}
		if host.Config != nil {
			own = *host.Config
		}
		own.AutoStart = config
		host.Config = &own
	})
	return nil, nil
}

// fakeRights grants all privileges but those that were taken away.
type fakeRights struct {
	*simulator.AuthorizationManager
	center *center
}

func (f *fakeRights) HasPrivilegeOnEntities(ctx *simulator.Context, req *types.HasPrivilegeOnEntities) soap.HasFault {
	body := &methods.HasPrivilegeOnEntitiesBody{}
	if req.SessionId != ctx.Session.Key {
		body.Fault_ = simulator.Fault("", &types.NotFound{})
		return body
	}
	f.center.mu.Lock()
	defer f.center.mu.Unlock()
	body.Res = new(types.HasPrivilegeOnEntitiesResponse)
	for _, entity := range req.Entity {
		one := types.EntityPrivilege{Entity: entity}
		for _, id := range req.PrivId {
			one.PrivAvailability = append(one.PrivAvailability, types.PrivilegeAvailability{
				PrivId: id, IsGranted: !f.center.denied[id],
			})
		}
		body.Res.Returnval = append(body.Res.Returnval, one)
	}
	return body
}
