// A vCenter (or one ESXi host) for tests: govmomi's simulator library, with VMs that fail, hang, ask and stay deaf as
// told by a control port.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator" // tags
	"github.com/vmware/govmomi/vim25/types"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address of the API")
	control := flag.String("control", "127.0.0.1:0", "address of the control port")
	certificate := flag.String("certificate", "", "PEM file: certificate of the API; empty: one of the library's")
	key := flag.String("key", "", "PEM file: its key")
	user := flag.String("user", "vmgroup", "the user that may log in")
	password := flag.String("password", "secret", "that user's password")
	esx := flag.Bool("esx", false, "one ESXi host instead of a vCenter")
	hosts := flag.Int("hosts", 3, "hosts of the cluster")
	vapps := flag.Int("vapps", 0, "vApps of the cluster")
	machines := flag.Int("machines", 0, "VMs vm-000 and so on, powered off")
	folder := flag.String("folder", "vmgroup", "VM folder of these machines")
	drs := flag.Bool("drs", false, "the cluster has DRS, fully automated")
	stateFile := flag.String("state", "", "file that keeps the VMs over a restart; empty: nothing is kept")
	flag.Parse()

	model := simulator.VPX()
	if *esx {
		model = simulator.ESX()
	}
	model.Machine, model.Host, model.ClusterHost, model.App = 0, 0, *hosts, *vapps
	model.Autostart = false
	if *esx {
		model.Host = 0
	}
	must(model.Create())
	simulator.TaskDelay.MethodDelay = map[string]int{"LockHandoff": 0}
	model.Service.Listen = &url.URL{Host: *listen, User: url.UserPassword(*user, *password)}
	model.Service.TLS = new(tls.Config)
	model.Service.RegisterEndpoints = true
	if *certificate != "" {
		pair, err := tls.LoadX509KeyPair(*certificate, *key)
		must(err)
		model.Service.TLS.Certificates = []tls.Certificate{pair}
	}

	center := newCenter(model, *esx, *stateFile)
	center.enlarge()
	if *drs {
		must(center.setDrs("fullyAutomated"))
	}
	if !center.restore() {
		for n := range *machines {
			_, err := center.create(newVM{Name: fmt.Sprintf("vm-%03d", n), Folder: *folder})
			must(err)
		}
	}
	if *stateFile != "" {
		go center.keepWriting()
	}
	center.password = *password
	model.Map().SessionManager().ValidLogin = func(login *types.Login) bool {
		center.mu.Lock()
		defer center.mu.Unlock()
		return login.Password == center.password && (login.UserName == *user || login.UserName == reader)
	}
	model.Map().Handler = center.handle
	server := model.Service.NewServer()

	port, err := net.Listen("tcp", *control)
	must(err)
	center.url = server.URL
	go func() { must(http.Serve(port, center.controls())) }()
	address := *server.URL
	address.User = nil
	must(json.NewEncoder(os.Stdout).Encode(map[string]string{
		"api":     address.String(),
		"control": "http://" + port.Addr().String(),
	}))
	select {}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// faultOf makes a fault of the named type; keys become its faultMessage.
func faultOf(name string, keys []string) (types.BaseMethodFault, error) {
	make, ok := types.TypeFunc()(name)
	if !ok {
		return nil, fmt.Errorf("there is no type %s", name)
	}
	return newFault(make, keys)
}
