package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// fakeFields tells watchers of a value that was set, which the library does not.
type fakeFields struct {
	*simulator.CustomFieldsManager
	center *center
}

func (f *fakeFields) SetField(ctx *simulator.Context, req *types.SetField) soap.HasFault {
	done := f.CustomFieldsManager.SetField(ctx, req)
	vm, ok := ctx.Map.Get(req.Entity).(*simulator.VirtualMachine)
	if !ok || done.Fault() != nil {
		return done
	}
	f.center.mu.Lock()
	f.center.note("SetField", vm.Name, req.Value)
	f.center.mu.Unlock()
	ctx.WithLock(vm, func() {
		ctx.Update(vm, []types.PropertyChange{{Name: "customValue", Val: vm.CustomValue}})
	})
	f.center.keep()
	return done
}

// fakeDatacenter powers VMs on as DRS does.
type fakeDatacenter struct {
	*simulator.Datacenter
	center *center
}

func (dc *fakeDatacenter) PowerOnMultiVMTask(ctx *simulator.Context, req *types.PowerOnMultiVM_Task) soap.HasFault {
	c := dc.center
	task := simulator.CreateTask(dc.Self, "powerOnMultiVM", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		if c.esx {
			return nil, new(types.NotImplemented)
		}
		return c.powerOnMany(ctx, req), nil
	})
	return &methods.PowerOnMultiVM_TaskBody{Res: &types.PowerOnMultiVM_TaskResponse{Returnval: task.Run(ctx)}}
}

func (c *center) powerOnMany(ctx *simulator.Context, req *types.PowerOnMultiVM_Task) types.ClusterPowerOnVmResult {
	result := types.ClusterPowerOnVmResult{}
	for _, ref := range req.Vm {
		vm, ok := ctx.Map.Get(ref).(*simulator.VirtualMachine)
		if !ok {
			result.NotAttempted = append(result.NotAttempted, notAttempted(ref, &types.ManagedObjectNotFound{Obj: ref}))
			continue
		}
		c.mu.Lock()
		noRoom, level, manual := c.of(vm).NoRoom, c.drs, c.of(vm).Manual
		c.note("PowerOnMultiVM_Task", vm.Name, level)
		c.mu.Unlock()
		if noRoom != "" {
			made, err := faultOf(noRoom, nil)
			must(err)
			result.NotAttempted = append(result.NotAttempted, notAttempted(ref, made))
			continue
		}
		if manual || level == "manual" {
			result.Recommendations = append(result.Recommendations, types.ClusterRecommendation{
				Key: "rec-" + ref.Value, Type: "V1", Time: time.Now(), Rating: 1, Reason: "fairnessCpuAvg",
				ReasonText: "Apply this to power on " + vm.Name, Target: &ref,
			})
			continue
		}
		task, fault := c.startPower(ctx, vm, "PowerOnVM_Task", "powerOn", types.VirtualMachinePowerStatePoweredOn)
		if fault != nil {
			result.NotAttempted = append(result.NotAttempted, notAttempted(ref, fault))
			continue
		}
		attempted := types.ClusterAttemptedVmInfo{Vm: ref}
		if level == "" || level == "off" {
			attempted.Task = &task
		}
		result.Attempted = append(result.Attempted, attempted)
	}
	return result
}

func notAttempted(vm types.ManagedObjectReference, fault types.BaseMethodFault) types.ClusterNotAttemptedVmInfo {
	return types.ClusterNotAttemptedVmInfo{Vm: vm, Fault: types.LocalizedMethodFault{Fault: fault, LocalizedMessage: "told so"}}
}

// fakeProperties answers in a session that has ended as vCenter may: with success, and every property missing.
type fakeProperties struct {
	*simulator.PropertyCollector
	center *center
}

func (f *fakeProperties) RetrievePropertiesEx(ctx *simulator.Context, req *types.RetrievePropertiesEx) soap.HasFault {
	c := f.center
	c.mu.Lock()
	login := ctx.Session.LoginTime
	page := c.page
	ended := c.silent && !login.IsZero() && login.Before(c.expired)
	c.mu.Unlock()
	if page > 0 {
		req.Options.MaxObjects = page
	}
	if !ended {
		return f.PropertyCollector.RetrievePropertiesEx(ctx, req)
	}
	result := &types.RetrieveResult{}
	for _, spec := range req.SpecSet {
		for _, object := range spec.ObjectSet {
			one := types.ObjectContent{Obj: object.Obj}
			for _, path := range spec.PropSet[0].PathSet {
				one.MissingSet = append(one.MissingSet, types.MissingProperty{
					Path: path, Fault: types.LocalizedMethodFault{Fault: new(types.NotAuthenticated)},
				})
			}
			result.Objects = append(result.Objects, one)
		}
	}
	return &methods.RetrievePropertiesExBody{Res: &types.RetrievePropertiesExResponse{Returnval: result}}
}
