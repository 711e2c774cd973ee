// Reads JSON lines as antipaxos records them, lets Porcupine judge them as (compare-and-swap) registers by key, and
// prints one line of JSON: seconds of reading, seconds of checking, the verdict, peak memory.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/anishathalye/porcupine"
)

type event struct {
	Index   int64           `json:"index"`
	Process int64           `json:"process"`
	Type    string          `json:"type"`
	F       string          `json:"f"`
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value"`
}

type input struct {
	f    byte
	key  string
	a, b int
}

type output struct {
	value   int
	unknown bool
}

func number(raw []byte) int {
	n, err := strconv.Atoi(string(raw))
	fail(err)
	return n
}

func inputOf(e *event) input {
	in := input{f: e.F[0], key: e.Key}
	switch e.F {
	case "write":
		in.a = number(e.Value)
	case "cas":
		var pair [2]int
		fail(json.Unmarshal(e.Value, &pair))
		in.a, in.b = pair[0], pair[1]
	}
	return in
}

// What failed is left out, and so is a read that never came back; a write that may or may not have happened may take
// effect until the very end.
func read(path string) []porcupine.Operation {
	file, err := os.Open(path)
	fail(err)
	defer file.Close()
	running := map[int64]porcupine.Operation{}
	var done, lost []porcupine.Operation
	var events int64
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	for lines.Scan() {
		var e event
		fail(json.Unmarshal(lines.Bytes(), &e))
		events++
		if e.Type == "invoke" {
			running[e.Process] = porcupine.Operation{Input: inputOf(&e), Call: e.Index}
			continue
		}
		op := running[e.Process]
		delete(running, e.Process)
		in := op.Input.(input)
		if e.Type == "fail" || (e.Type == "info" && in.f == 'r') {
			continue
		}
		op.ClientId = int(e.Process)
		if e.Type == "info" {
			op.Output = output{unknown: true}
			lost = append(lost, op)
			continue
		}
		out := output{}
		if in.f == 'r' {
			out.value = number(e.Value)
		}
		op.Output, op.Return = out, e.Index
		done = append(done, op)
	}
	fail(lines.Err())
	for _, op := range lost {
		op.Return = events + 10
		done = append(done, op)
	}
	return done
}

var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(input).key
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() interface{} { return 0 },
	Step: func(state, in, out interface{}) (bool, interface{}) {
		now, i, o := state.(int), in.(input), out.(output)
		switch i.f {
		case 'r':
			return o.value == now, now
		case 'w':
			return true, i.a
		}
		if now == i.a {
			return true, i.b
		}
		return o.unknown, now
	},
	Equal: func(one, other interface{}) bool { return one.(int) == other.(int) },
	Hash:  func(state interface{}) uint64 { return uint64(state.(int)) * 0x9E3779B97F4A7C15 },
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	fail(err)
	began := time.Now()
	history := read(os.Args[1])
	parsed := time.Now()
	verdict := porcupine.CheckOperationsTimeout(model, history, time.Duration(seconds*float64(time.Second)))
	checked := time.Now()
	status, err := os.ReadFile("/proc/self/status")
	fail(err)
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	words := map[porcupine.CheckResult]string{porcupine.Ok: "valid", porcupine.Illegal: "invalid", porcupine.Unknown: "unknown"}
	fmt.Printf("{\"parse_s\":%f,\"check_s\":%f,\"verdict\":%q,\"peak_mb\":%d}\n",
		parsed.Sub(began).Seconds(), checked.Sub(parsed).Seconds(), words[verdict], number(peak[1])/1024)
}
