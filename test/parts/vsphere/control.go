package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
)

// controls is the port through which tests set behaviour and act behind everybody's back. All bodies are JSON.
func (c *center) controls() http.Handler {
	mux := http.NewServeMux()
	post(mux, "/behave", func(told struct {
		VM string `json:"vm"`
		behaviour
	}) (any, error) {
		vm, err := c.vm(told.VM)
		if err == nil {
			c.mu.Lock()
			c.behaviour[vm.Self] = &told.behaviour
			c.mu.Unlock()
			c.keep()
		}
		return nil, err
	})
	post(mux, "/faults", func(faults []*fault) (any, error) {
		c.mu.Lock()
		c.faults = faults
		for _, each := range faults {
			each.Call = true
		}
		c.mu.Unlock()
		return nil, nil
	})
	post(mux, "/delays", func(delays map[string]int) (any, error) {
		c.mu.Lock()
		c.delays = delays
		c.mu.Unlock()
		return nil, nil
	})
	post(mux, "/create", func(spec newVM) (any, error) { return c.create(spec) })
	post(mux, "/act", c.act)
	post(mux, "/tag", c.createTag)
	post(mux, "/vapp", c.createVapp)
	post(mux, "/dependencies", c.setDependencies)
	post(mux, "/autostart", c.setAutostart)
	post(mux, "/deny", func(privileges []string) (any, error) {
		c.mu.Lock()
		c.denied = map[string]bool{}
		for _, each := range privileges {
			c.denied[each] = true
		}
		c.mu.Unlock()
		return nil, nil
	})
	post(mux, "/host", c.changeHost)
	post(mux, "/rules", func(any) (any, error) { return c.listRules(), nil })
	post(mux, "/drs", func(level string) (any, error) { return nil, c.setDrs(level) })
	post(mux, "/page", func(page int32) (any, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.page = page
		return nil, nil
	})
	post(mux, "/expire", func(silent bool) (any, error) { c.expire(silent); return nil, nil })
	post(mux, "/sync", func(any) (any, error) { c.write(); return nil, nil })
	post(mux, "/password", func(password string) (any, error) {
		c.mu.Lock()
		c.password = password
		c.mu.Unlock()
		return nil, nil
	})
	post(mux, "/vms", func(any) (any, error) { return c.list(), nil })
	post(mux, "/calls", func(any) (any, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return map[string]any{"counts": maps.Clone(c.counts), "journal": slices.Clone(c.journal)}, nil
	})
	return mux
}

// act is what an administrator does in the client.
func (c *center) act(told struct {
	VM string `json:"vm"`
	Do string `json:"do"` // poweredOn, poweredOff, suspended, rename, destroy, or a property's name
	To string `json:"to"`
}) (any, error) {
	vm, err := c.vm(told.VM)
	if err != nil {
		return nil, err
	}
	defer c.keep()
	ctx := c.context()
	switch told.Do {
	case "poweredOn", "poweredOff", "suspended":
		ctx.WithLock(vm, func() { c.setPower(ctx, vm, types.VirtualMachinePowerState(told.Do)) })
	case "rename", "destroy":
		entity := object.NewVirtualMachine(c.client, vm.Self)
		var task *object.Task
		if told.Do == "rename" {
			task, err = entity.Rename(inside, told.To)
		} else {
			ctx.WithLock(vm, func() { c.setPower(ctx, vm, types.VirtualMachinePowerStatePoweredOff) })
			task, err = entity.Destroy(inside)
		}
		if err != nil {
			return nil, err
		}
		return nil, task.Wait(inside)
	case "field":
		err := c.dress(vm, newVM{Fields: map[string]string{"vmgroup.operation": told.To}})
		ctx.WithLock(vm, func() {
			ctx.Update(vm, []types.PropertyChange{{Name: "customValue", Val: vm.CustomValue}})
		})
		return nil, err
	case "extra":
		option := &types.OptionValue{Key: "vmgroup.operation", Value: told.To}
		spec := types.VirtualMachineConfigSpec{ExtraConfig: []types.BaseOptionValue{option}}
		task, err := object.NewVirtualMachine(c.client, vm.Self).Reconfigure(inside, spec)
		if err != nil {
			return nil, err
		}
		return nil, task.Wait(inside)
	case "runtime.connectionState":
		ctx.WithLock(vm, func() {
			ctx.Update(vm, []types.PropertyChange{{Name: told.Do, Val: types.VirtualMachineConnectionState(told.To)}})
		})
	case "guest.toolsRunningStatus":
		ctx.WithLock(vm, func() { ctx.Update(vm, tools(told.To == "guestToolsRunning")) })
	default:
		return nil, fmt.Errorf("unknown: %s", told.Do)
	}
	return nil, nil
}

func post[T any](mux *http.ServeMux, path string, do func(T) (any, error)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var body T
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body)
		var answer any
		if err == nil {
			answer, err = do(body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("content-type", "application/json")
		must(json.NewEncoder(w).Encode(answer))
	})
}
