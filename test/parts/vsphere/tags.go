package main

import (
	"context"

	"github.com/vmware/govmomi/vapi/rest"
	"github.com/vmware/govmomi/vapi/tags"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
)

// newTag says which VMs get a new tag.
type newTag struct {
	Category string   `json:"category"`
	Name     string   `json:"name"`
	VMs      []string `json:"vms"`
}

// createTag makes a tag as a person does: the library has no other way to its tags.
func (c *center) createTag(spec newTag) (any, error) {
	ctx := context.Background()
	client, err := vim25.NewClient(ctx, soap.NewClient(c.url, true))
	if err != nil {
		return nil, err
	}
	session := rest.NewClient(client)
	if err := session.Login(ctx, c.url.User); err != nil {
		return nil, err
	}
	manager := tags.NewManager(session)
	category, err := manager.CreateCategory(ctx, &tags.Category{Name: spec.Category, Cardinality: "MULTIPLE"})
	if err != nil {
		return nil, err
	}
	tag, err := manager.CreateTag(ctx, &tags.Tag{Name: spec.Name, CategoryID: category})
	if err != nil {
		return nil, err
	}
	refs := []mo.Reference{}
	for _, name := range spec.VMs {
		vm, err := c.vm(name)
		if err != nil {
			return nil, err
		}
		refs = append(refs, vm.Self)
	}
	return nil, manager.AttachTagToMultipleObjects(ctx, tag, refs)
}
