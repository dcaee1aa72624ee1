// A client of portd that knows nothing of it but its interface: Debian's Go library of Varlink
// (golang-github-varlink-go-dev), unmodified. Prints what varlink_go_test.py compares, as JSON.
//
//	main SOCKET PORT
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/varlink/go/varlink"
	"github.com/varlink/go/varlink/idl"
)

type lease struct {
	Id        string
	LocalPort int
	Opener    struct{ Pid int }
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	ctx := context.Background()
	port, err := strconv.Atoi(os.Args[2])
	check(err)
	connection, err := varlink.NewConnection(ctx, "unix:"+os.Args[1])
	check(err)
	told := map[string]interface{}{}

	var interfaces []string
	var product string
	check(connection.GetInfo(ctx, nil, &product, nil, nil, &interfaces))
	told["product"], told["interfaces"] = product, interfaces

	// The library's own parser of the interface language reads the file, but for capitals in the
	// name of the interface, which the language has and that parser does not know.
	description, err := connection.GetInterfaceDescription(ctx, "io.portd.Ports")
	check(err)
	parsed, err := idl.New(strings.Replace(description, "interface io.portd.Ports", "interface io.portd.ports", 1))
	check(err)
	var methods []string
	for _, method := range parsed.Methods {
		methods = append(methods, method.Name)
	}
	told["methods"] = methods

	var who struct{ Holders []lease }
	check(connection.Call(ctx, "io.portd.Ports.Who", map[string]int{"port": port}, &who))
	told["who"] = who.Holders

	receive, err := connection.Send(ctx, "io.portd.Ports.History", map[string]int{"port": port}, varlink.More)
	check(err)
	var history []lease
	for {
		var reply struct {
			Lease    *lease
			Coverage *struct{ Complete bool }
		}
		flags, err := receive(ctx, &reply)
		check(err)
		if reply.Lease != nil {
			history = append(history, *reply.Lease)
		}
		if flags&varlink.Continues == 0 {
			told["covered"] = reply.Coverage != nil
			break
		}
	}
	told["history"] = history

	err = connection.Call(ctx, "io.portd.Ports.Who", map[string]int{"port": 0}, &who)
	told["refused"] = fmt.Sprintf("%T", err)
	check(json.NewEncoder(os.Stdout).Encode(told))
}
