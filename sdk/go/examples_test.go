// The programs of the README and of the API reference, run as a reader would, and the module as it is packed.

package orchestrator

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const modulePath = "github.com/ecp-ai/orchestrator-client-go"

// program is an empty folder outside the checkout, for a program that uses the module.
type program struct {
	t           *testing.T
	folder      string
	environment []string
}

func newProgram(t *testing.T) *program {
	t.Helper()
	p := &program{t: t, folder: t.TempDir(), environment: append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")}
	p.run("go", "mod", "init", "example.com/program")
	return p
}

// ofCheckout makes the program use the module as it is here.
func (p *program) ofCheckout() *program {
	p.t.Helper()
	here := must(filepath.Abs("."))(p.t)
	p.run("go", "mod", "edit", "-require="+modulePath+"@v0.0.0", "-replace="+modulePath+"="+here)
	return p
}

func (p *program) run(name string, arguments ...string) string {
	p.t.Helper()
	command := exec.CommandContext(patience(p.t), name, arguments...)
	command.Dir, command.Env = p.folder, p.environment
	output, err := command.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

// main runs a program, speaking to the server instead of the address that it names.
func (p *program) main(text, server string) string {
	p.t.Helper()
	replaced := strings.ReplaceAll(text, "http://localhost:8001", server)
	if replaced == text {
		p.t.Fatalf("the program names no server:\n%s", text)
	}
	if err := os.WriteFile(filepath.Join(p.folder, "main.go"), []byte(replaced), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return p.run("go", "run", ".")
}

func TestEveryExampleOfTheReadmeRuns(t *testing.T) {
	text := string(must(os.ReadFile("README.md"))(t))
	examples := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(examples) < 5 {
		t.Fatalf("%d examples", len(examples))
	}
	// One server for all, in order: later examples use the tenant of the first.
	server := startServer(t, "127.0.0.1:0", t.TempDir())
	program := newProgram(t).ofCheckout()
	for _, example := range examples {
		if output := program.main(example[1], server.address); output == "" && strings.Contains(example[1], "fmt") {
			t.Errorf("it printed nothing:\n%s", example[1])
		}
	}
}

func TestTheProgramOfTheAPIReferenceRuns(t *testing.T) {
	// As it is printed, with the imports of fmt and log added.
	text := string(must(os.ReadFile("testdata/reference.go.txt"))(t))
	address := strings.TrimSuffix(os.Getenv("ECP_TEST_REAL_URL"), "/api/v1")
	if address == "" {
		demo := strings.Replace(text, "IsDemo:  false", "IsDemo:  true", 1)
		if demo == text {
			t.Fatal("the program does not say IsDemo")
		}
		text, address = demo, startServer(t, "127.0.0.1:0", t.TempDir()).address
	} else {
		client := NewClient(&Config{BaseURL: address + "/api/v1"})
		removeTenant(t, client, "my-service")
		t.Cleanup(func() { removeTenant(t, client, "my-service") })
	}
	equal(t, newProgram(t).ofCheckout().main(text, address), "테넌트 생성됨: my-service\n")
}

// removeTenant ends a tenant that may be there, and waits until it is gone.
func removeTenant(t *testing.T, client *Client, id string) {
	t.Helper()
	ctx := patience(t)
	for {
		_, err := client.DeleteTenantContext(ctx, id, WithForce())
		if errors.Is(err, ErrNotFound) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

func TestThePackedModuleIsFetchedByAProgramInAnEmptyFolder(t *testing.T) {
	proxy := t.TempDir()
	pack := exec.CommandContext(patience(t), "go", "run", "./internal/modulezip", "v1.2.3", proxy)
	if output, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	program := newProgram(t)
	others := strings.TrimSpace(program.run("go", "env", "GOPROXY"))
	modules := t.TempDir()
	program.environment = append(program.environment,
		"GOPROXY=file://"+filepath.ToSlash(proxy)+","+others, "GONOSUMDB=github.com/ecp-ai",
		// Not in the user's module cache, where a version stays for ever.
		"GOMODCACHE="+modules)
	t.Cleanup(func() { program.run("go", "clean", "-modcache") })
	program.run("go", "get", modulePath+"@v1.2.3")
	output := program.main(`package main

import (
	"fmt"
	"log"

	"`+modulePath+`"
)

func main() {
	client := orchestrator.NewClient(&orchestrator.Config{BaseURL: "http://localhost:8001/api/v1", IsDemo: true})
	health, err := client.GetHealth()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(health.Status)
}
`, sharedServer(t).address)
	equal(t, output, "ok\n")
	if _, err := os.Stat(filepath.Join(modules, filepath.FromSlash(modulePath)+"@v1.2.3")); err != nil {
		t.Errorf("the program used another copy: %v", err)
	}
}
