package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// fakeVM is a VM that behaves as it was told.
type fakeVM struct {
	*simulator.VirtualMachine
	center *center
}

func (vm *fakeVM) PowerOnVMTask(ctx *simulator.Context, req *types.PowerOnVM_Task) soap.HasFault {
	body := new(methods.PowerOnVM_TaskBody)
	if req.Host != nil && vm.Runtime.Host != nil && *req.Host != *vm.Runtime.Host {
		// A real server powers it on there if it can, otherwise where it is registered: callers must not rely on that.
		body.Fault_ = simulator.Fault("", &types.InvalidArgument{InvalidProperty: "host"})
		return body
	}
	task, fault := vm.center.startPower(ctx, vm.VirtualMachine, "PowerOnVM_Task", "powerOn", types.VirtualMachinePowerStatePoweredOn)
	if fault != nil {
		body.Fault_ = simulator.Fault("", fault)
	} else {
		body.Res = &types.PowerOnVM_TaskResponse{Returnval: task}
	}
	return body
}

func (vm *fakeVM) PowerOffVMTask(ctx *simulator.Context, req *types.PowerOffVM_Task) soap.HasFault {
	body := new(methods.PowerOffVM_TaskBody)
	task, fault := vm.center.startPower(ctx, vm.VirtualMachine, "PowerOffVM_Task", "powerOff", types.VirtualMachinePowerStatePoweredOff)
	if fault != nil {
		body.Fault_ = simulator.Fault("", fault)
	} else {
		body.Res = &types.PowerOffVM_TaskResponse{Returnval: task}
	}
	return body
}

func (vm *fakeVM) SuspendVMTask(ctx *simulator.Context, req *types.SuspendVM_Task) soap.HasFault {
	body := new(methods.SuspendVM_TaskBody)
	task, fault := vm.center.startPower(ctx, vm.VirtualMachine, "SuspendVM_Task", "suspend", types.VirtualMachinePowerStateSuspended)
	if fault != nil {
		body.Fault_ = simulator.Fault("", fault)
	} else {
		body.Res = &types.SuspendVM_TaskResponse{Returnval: task}
	}
	return body
}

func (vm *fakeVM) ShutdownGuest(ctx *simulator.Context, req *types.ShutdownGuest) soap.HasFault {
	body := new(methods.ShutdownGuestBody)
	if fault := vm.center.askGuest(vm.VirtualMachine, "ShutdownGuest", types.VirtualMachinePowerStatePoweredOff); fault != nil {
		body.Fault_ = simulator.Fault("", fault)
	} else {
		body.Res = new(types.ShutdownGuestResponse)
	}
	return body
}

func (vm *fakeVM) StandbyGuest(ctx *simulator.Context, req *types.StandbyGuest) soap.HasFault {
	body := new(methods.StandbyGuestBody)
	if fault := vm.center.askGuest(vm.VirtualMachine, "StandbyGuest", types.VirtualMachinePowerStateSuspended); fault != nil {
		body.Fault_ = simulator.Fault("", fault)
	} else {
		body.Res = new(types.StandbyGuestResponse)
	}
	return body
}

// AnswerVM takes an answer by the key of a choice.
func (vm *fakeVM) AnswerVM(ctx *simulator.Context, req *types.AnswerVM) soap.HasFault {
	body := new(methods.AnswerVMBody)
	c := vm.center
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note("AnswerVM", vm.Name, req.AnswerChoice)
	asked := c.of(vm.VirtualMachine).Question
	if asked == nil || asked.ID != req.QuestionId || asked.Choices[req.AnswerChoice] == "" {
		body.Fault_ = simulator.Fault("", &types.InvalidArgument{InvalidProperty: "questionId"})
		return body
	}
	c.answered[vm.Self] = true
	body.Res = new(types.AnswerVMResponse)
	return body
}

// ReconfigVMTask refuses a stale changeVersion as a real server does.
func (vm *fakeVM) ReconfigVMTask(ctx *simulator.Context, req *types.ReconfigVM_Task) soap.HasFault {
	c := vm.center
	c.mu.Lock()
	value := ""
	for _, option := range req.Spec.ExtraConfig {
		value, _ = option.GetOptionValue().Value.(string)
	}
	c.note("ReconfigVM_Task", vm.Name, value)
	c.mu.Unlock()
	if req.Spec.ChangeVersion != "" && req.Spec.ChangeVersion != vm.Config.ChangeVersion {
		task := simulator.CreateTask(vm.Self, "reconfigVm", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			return nil, &types.ConcurrentAccess{}
		})
		return &methods.ReconfigVM_TaskBody{Res: &types.ReconfigVM_TaskResponse{Returnval: task.Run(ctx)}}
	}
	done := vm.VirtualMachine.ReconfigVMTask(ctx, req)
	time.AfterFunc(20*time.Millisecond, c.keep)
	return done
}

func (c *center) of(vm *simulator.VirtualMachine) *behaviour {
	if found := c.behaviour[vm.Self]; found != nil {
		return found
	}
	return &behaviour{}
}

// note writes a line of the journal.
func (c *center) note(method string, vm string, value string) {
	c.journal = append(c.journal, call{time.Now(), method, vm, value})
}

// called writes a call into the journal, and returns the fault that the call is to meet. The caller holds the lock.
func (c *center) called(vm *simulator.VirtualMachine, method string) types.BaseMethodFault {
	c.note(method, vm.Name, "")
	if f := hit(c.of(vm).Faults, method, true); f != nil {
		return f.made()
	}
	return nil
}

// startPower starts a task that changes a VM's power state; one at a time, as a real server does.
func (c *center) startPower(
	ctx *simulator.Context, vm *simulator.VirtualMachine, method string, name string, state types.VirtualMachinePowerState,
) (types.ManagedObjectReference, types.BaseMethodFault) {
	none := types.ManagedObjectReference{}
	if fault := c.reserve(vm, method); fault != nil {
		return none, fault
	}
	task := simulator.CreateTask(vm.Self, name, nil)
	task.Info.State = types.TaskInfoStateRunning
	task.Info.StartTime = types.NewTime(time.Now())
	task.Info.EntityName = vm.Name
	// Views hear of it, which take locks of their own: none of ours may be held.
	c.model.Map().Put(task)
	task.Info.Key, task.Info.Task = task.Self.Value, task.Self
	c.mu.Lock()
	c.busy[vm.Self] = task.Self
	if vm.Runtime.PowerState != state {
		c.operations[vm.Self]++
		c.pending[vm.Self] = string(state)
	}
	c.mu.Unlock()
	go c.runPower(vm, task, method, state)
	return task.Self, nil
}

// reserve lets one task at a time have a VM.
func (c *center) reserve(vm *simulator.VirtualMachine, method string) types.BaseMethodFault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fault := c.called(vm, method); fault != nil {
		return fault
	}
	if other, busy := c.busy[vm.Self]; busy {
		return &types.TaskInProgress{Task: other}
	}
	c.busy[vm.Self] = types.ManagedObjectReference{}
	return nil
}

func (c *center) runPower(vm *simulator.VirtualMachine, task *simulator.Task, method string, state types.VirtualMachinePowerState) {
	ctx := c.context()
	recent := types.PropertyChange{Name: "recentTask", Val: []types.ManagedObjectReference{task.Self}}
	c.mu.Lock()
	told := *c.of(vm)
	long := told.Never || told.Question != nil || told.Slow > 0 || c.drs != "" && c.drs != "off"
	c.mu.Unlock()
	if long {
		// The library goes through all objects for each change: a task that is over at once is shown together with its effect.
		ctx.WithLock(vm, func() { ctx.Update(vm, []types.PropertyChange{recent}) })
	}
	c.pause(method, vm)
	c.await(func() bool { return !c.of(vm).Never })
	failure := c.ask(ctx, vm, state)
	c.mu.Lock()
	planned := hit(c.of(vm).Faults, method, false)
	c.mu.Unlock()
	message := ""
	if planned != nil {
		failure, message = planned.made(), planned.Message
	}
	ctx.WithLock(vm, func() {
		if failure == nil && ctx.Map.Get(vm.Self) == nil {
			failure = &types.ManagedObjectNotFound{Obj: vm.Self}
		}
		if failure == nil {
			failure = impossible(vm, state)
		}
		if failure == nil {
			c.setPower(ctx, vm, state, recent)
		}
	})
	c.finish(ctx, vm, task, failure, message)
}

func (c *center) finish(ctx *simulator.Context, vm *simulator.VirtualMachine, task *simulator.Task, failure types.BaseMethodFault, message string) {
	c.mu.Lock()
	delete(c.busy, vm.Self)
	delete(c.pending, vm.Self)
	c.mu.Unlock()
	changes := []types.PropertyChange{
		{Name: "info.completeTime", Val: time.Now()},
		{Name: "info.state", Val: types.TaskInfoStateSuccess},
	}
	if failure != nil {
		changes[1].Val = types.TaskInfoStateError
		changes = append(changes, types.PropertyChange{
			Name: "info.error", Val: types.LocalizedMethodFault{Fault: failure, LocalizedMessage: message},
		})
	}
	ctx.WithLock(task, func() { ctx.Update(task, changes) })
	c.keep()
}

func impossible(vm *simulator.VirtualMachine, state types.VirtualMachinePowerState) types.BaseMethodFault {
	is := vm.Runtime.PowerState
	fromOff := state == types.VirtualMachinePowerStateSuspended && is != types.VirtualMachinePowerStatePoweredOn
	if is != state && !fromOff {
		return nil
	}
	return &types.InvalidPowerState{RequestedState: state, ExistingState: is}
}

// ask puts the VM's question, if it has one, and waits for the answer. "Cancel" fails the power-on.
func (c *center) ask(ctx *simulator.Context, vm *simulator.VirtualMachine, state types.VirtualMachinePowerState) types.BaseMethodFault {
	c.mu.Lock()
	asked := c.of(vm).Question
	c.mu.Unlock()
	if asked == nil || state != types.VirtualMachinePowerStatePoweredOn {
		return nil
	}
	info := types.VirtualMachineQuestionInfo{Id: asked.ID, Text: asked.Text}
	for key, label := range asked.Choices {
		info.Choice.ChoiceInfo = append(info.Choice.ChoiceInfo, &types.ElementDescription{
			Description: types.Description{Label: label, Summary: label}, Key: key,
		})
	}
	ctx.WithLock(vm, func() { ctx.Update(vm, []types.PropertyChange{{Name: "runtime.question", Val: info}}) })
	c.await(func() bool { return c.answered[vm.Self] || c.of(vm).Question == nil })
	c.mu.Lock()
	delete(c.answered, vm.Self)
	c.of(vm).Question = nil
	c.mu.Unlock()
	ctx.WithLock(vm, func() { ctx.Update(vm, []types.PropertyChange{{Name: "runtime.question", Val: nil}}) })
	return nil
}

func (c *center) await(met func() bool) {
	for {
		c.mu.Lock()
		done := met()
		c.mu.Unlock()
		if done {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// holdBack takes the time that tests have added to a method that concerns no single VM, and ends early once they take it back.
func (c *center) holdBack(method string) {
	for begun := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		c.mu.Lock()
		delay := time.Duration(c.delays[method]) * time.Millisecond
		c.mu.Unlock()
		if time.Since(begun) >= delay {
			return
		}
	}
}

func (c *center) pause(method string, vm *simulator.VirtualMachine) {
	c.mu.Lock()
	milliseconds := c.delays[method] + c.of(vm).Slow
	c.mu.Unlock()
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
}

// askGuest asks the guest, which takes its time and may not hear.
func (c *center) askGuest(vm *simulator.VirtualMachine, method string, state types.VirtualMachinePowerState) types.BaseMethodFault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fault := c.called(vm, method); fault != nil {
		return fault
	}
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		return &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: vm.Runtime.PowerState}
	}
	if vm.Guest.ToolsRunningStatus != string(types.VirtualMachineToolsRunningStatusGuestToolsRunning) {
		return new(types.ToolsUnavailable)
	}
	if c.of(vm).Deaf {
		return nil
	}
	c.operations[vm.Self]++
	go func() {
		c.pause(method, vm)
		ctx := c.context()
		ctx.WithLock(vm, func() {
			if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
				c.setPower(ctx, vm, state)
			}
		})
		c.keep()
	}()
	return nil
}

// setPower changes the power state, and what the guest shows with it. The caller holds the VM's lock.
func (c *center) setPower(
	ctx *simulator.Context, vm *simulator.VirtualMachine, state types.VirtualMachinePowerState, more ...types.PropertyChange,
) {
	c.mu.Lock()
	c.effects[vm.Self] = append(c.effects[vm.Self], string(state))
	told := *c.of(vm)
	c.mu.Unlock()
	on := state == types.VirtualMachinePowerStatePoweredOn
	changes := append(more,
		types.PropertyChange{Name: "runtime.powerState", Val: state},
		types.PropertyChange{Name: "summary.runtime.powerState", Val: state},
	)
	if on {
		changes = append(changes, types.PropertyChange{Name: "runtime.bootTime", Val: time.Now()})
	}
	ctx.Update(vm, append(changes, tools(on && !told.NoTools && told.ToolsAfter == 0)...))
	if !on || told.NoTools || told.ToolsAfter == 0 {
		return
	}
	time.AfterFunc(time.Duration(told.ToolsAfter)*time.Millisecond, func() {
		own := c.context()
		own.WithLock(vm, func() {
			if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
				own.Update(vm, tools(true))
			}
		})
	})
}

// tools is what the guest shows, with VMware Tools running or not.
func tools(running bool) []types.PropertyChange {
	status, state, heartbeat, ip := types.VirtualMachineToolsRunningStatusGuestToolsNotRunning, "notRunning", types.ManagedEntityStatusGray, ""
	if running {
		status, state, heartbeat, ip = types.VirtualMachineToolsRunningStatusGuestToolsRunning, "running", types.ManagedEntityStatusGreen, "127.0.0.1"
	}
	return []types.PropertyChange{
		{Name: "guest.toolsRunningStatus", Val: string(status)},
		{Name: "guest.guestState", Val: state},
		{Name: "guest.ipAddress", Val: ip},
		{Name: "guestHeartbeatStatus", Val: heartbeat},
	}
}
