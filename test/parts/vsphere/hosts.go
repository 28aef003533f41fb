package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const mebibyte = 1 << 20

// hostChange says what becomes of a host; what is not set stays.
type hostChange struct {
	Host        string `json:"host"`
	Connection  string `json:"connection"`
	Maintenance *bool  `json:"maintenance"`
	MemoryMB    *int64 `json:"memoryMb"`
	UsedMB      *int32 `json:"usedMb"` // of its memory
	Threads     *int16 `json:"threads"`
	Datastores  *bool  `json:"datastores"` // false: it has none
}

func (c *center) host(name string) (*simulator.HostSystem, error) {
	for _, each := range c.model.Map().All("HostSystem") {
		if host, ok := each.(*simulator.HostSystem); ok && host.Name == name {
			return host, nil
		}
	}
	return nil, fmt.Errorf("there is no host %s", name)
}

// changeHost is what an administrator does to a host, or what becomes of it.
func (c *center) changeHost(told hostChange) (any, error) {
	host, err := c.host(told.Host)
	if err != nil {
		return nil, err
	}
	changes := []types.PropertyChange{}
	set := func(name string, value any) { changes = append(changes, types.PropertyChange{Name: name, Val: value}) }
	if told.Connection != "" {
		set("runtime.connectionState", types.HostSystemConnectionState(told.Connection))
	}
	if told.Maintenance != nil {
		set("runtime.inMaintenanceMode", *told.Maintenance)
	}
	ctx := c.context()
	ctx.WithLock(host, func() {
		if told.MemoryMB != nil || told.Threads != nil {
			hardware := *host.Summary.Hardware // hosts share one
			if told.MemoryMB != nil {
				hardware.MemorySize = *told.MemoryMB * mebibyte
			}
			if told.Threads != nil {
				hardware.NumCpuThreads = *told.Threads
			}
			set("summary.hardware", &hardware)
		}
		if told.UsedMB != nil {
			set("summary.quickStats.overallMemoryUsage", *told.UsedMB)
		}
		if told.Datastores != nil && !*told.Datastores {
			set("datastore", []types.ManagedObjectReference{})
		}
		ctx.Update(host, changes)
	})
	return nil, nil
}

// hostName is the name of the host that a VM is registered on.
func (c *center) hostName(ref *types.ManagedObjectReference) string {
	if ref == nil {
		return ""
	}
	host, _ := c.model.Map().Get(*ref).(*simulator.HostSystem)
	if host == nil {
		return ""
	}
	return host.Name
}

// RelocateVMTask moves a VM to another host, as a real server does: one that cannot run it is refused.
func (vm *fakeVM) RelocateVMTask(ctx *simulator.Context, req *types.RelocateVM_Task) soap.HasFault {
	c := vm.center
	c.mu.Lock()
	c.note("RelocateVM_Task", vm.Name, c.hostName(req.Spec.Host))
	planned := hit(c.of(vm.VirtualMachine).Faults, "RelocateVM_Task", false)
	c.mu.Unlock()
	if fault := c.cannotRun(vm.VirtualMachine, req.Spec.Host); fault != nil || planned != nil {
		if planned != nil {
			fault = planned.made()
		}
		task := simulator.CreateTask(vm.Self, "relocateVm", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			return nil, fault
		})
		return &methods.RelocateVM_TaskBody{Res: &types.RelocateVM_TaskResponse{Returnval: task.Run(ctx)}}
	}
	defer c.keep()
	return vm.VirtualMachine.RelocateVMTask(ctx, req)
}

// cannotRun says why a host cannot run a VM.
func (c *center) cannotRun(vm *simulator.VirtualMachine, ref *types.ManagedObjectReference) types.BaseMethodFault {
	if ref == nil {
		return nil
	}
	host, _ := c.model.Map().Get(*ref).(*simulator.HostSystem)
	if host == nil {
		return &types.ManagedObjectNotFound{Obj: *ref}
	}
	if host.Runtime.ConnectionState != types.HostSystemConnectionStateConnected {
		return new(types.HostNotConnected)
	}
	if host.Runtime.InMaintenanceMode {
		return new(types.InvalidState)
	}
	for _, store := range vm.Datastore {
		mounted := false
		for _, each := range host.Datastore {
			mounted = mounted || each == store
		}
		if !mounted {
			return &types.CannotAccessVmDisk{}
		}
	}
	return nil
}

// listRules are the rules of the cluster by name, each with the names of its VMs.
func (c *center) listRules() any {
	_, cluster := c.cluster()
	all := map[string][]string{}
	if cluster == nil {
		return all
	}
	ctx := c.context()
	name := func(ref types.ManagedObjectReference) string {
		if vm, ok := c.model.Map().Get(ref).(*simulator.VirtualMachine); ok {
			return vm.Name
		}
		return ref.Value
	}
	ctx.WithLock(cluster, func() {
		for _, rule := range cluster.ConfigurationEx.(*types.ClusterConfigInfoEx).Rule {
			vms := []string{}
			switch of := rule.(type) {
			case *types.ClusterAntiAffinityRuleSpec:
				for _, ref := range of.Vm {
					vms = append(vms, name(ref))
				}
			case *types.ClusterAffinityRuleSpec:
				for _, ref := range of.Vm {
					vms = append(vms, name(ref))
				}
			}
			all[rule.GetClusterRuleInfo().Name] = vms
		}
	})
	return all
}

// enlarge gives every host room for the VMs of any test.
func (c *center) enlarge() {
	for _, each := range c.model.Map().All("HostSystem") {
		memory, used, threads := int64(1<<20), int32(0), int16(64)
		_, err := c.changeHost(hostChange{Host: each.Entity().Name, MemoryMB: &memory, UsedMB: &used, Threads: &threads})
		must(err)
	}
}

// fakeCluster tells watchers of a new configuration, which the library does not.
type fakeCluster struct {
	*simulator.ClusterComputeResource
	center *center
}

func (cluster *fakeCluster) ReconfigureComputeResourceTask(
	ctx *simulator.Context, req *types.ReconfigureComputeResource_Task,
) soap.HasFault {
	done := cluster.ClusterComputeResource.ReconfigureComputeResourceTask(ctx, req)
	body, ok := done.(*methods.ReconfigureComputeResource_TaskBody)
	if !ok || body.Res == nil {
		return done
	}
	c := cluster.center
	c.mu.Lock()
	c.note("ReconfigureComputeResource_Task", cluster.Name, "")
	c.mu.Unlock()
	task, _ := ctx.Map.Get(body.Res.Returnval).(*simulator.Task)
	go func() {
		if task != nil {
			task.Wait()
		}
		c.tellOf(cluster.ClusterComputeResource)
	}()
	return done
}

// tellOf tells watchers of the configuration of a cluster.
func (c *center) tellOf(cluster *simulator.ClusterComputeResource) {
	ctx := c.context()
	ctx.WithLock(cluster, func() {
		ctx.Update(cluster, []types.PropertyChange{{Name: "configurationEx", Val: cluster.ConfigurationEx}})
	})
}
