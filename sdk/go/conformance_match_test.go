// What an answer must match, as sdk/conformance/README.md describes it.

package orchestrator

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// mismatch says where and why a value does not match; nothing where it does.
func mismatch(at string, want, got any) string {
	switch want := want.(type) {
	case map[string]any:
		if name, argument, found := matcher(want); found {
			return applyMatcher(at, name, argument, got)
		}
		members, isObject := got.(map[string]any)
		if !isObject {
			return fmt.Sprintf("%s: an object expected, got %v", at, got)
		}
		for name, value := range want {
			if fault := mismatch(at+"."+name, value, members[name]); fault != "" {
				return fault
			}
		}
		return ""
	case []any:
		elements, isArray := got.([]any)
		if !isArray || len(elements) != len(want) {
			return fmt.Sprintf("%s: an array of %d expected, got %v", at, len(want), got)
		}
		for i, value := range want {
			if fault := mismatch(fmt.Sprintf("%s.%d", at, i), value, elements[i]); fault != "" {
				return fault
			}
		}
		return ""
	default:
		if !reflect.DeepEqual(want, got) {
			return fmt.Sprintf("%s: %v expected, got %v", at, want, got)
		}
		return ""
	}
}

func matcher(object map[string]any) (name string, argument any, found bool) {
	for name, argument := range object {
		if len(object) == 1 && strings.HasPrefix(name, "$") {
			return name, argument, true
		}
	}
	return "", nil, false
}

func applyMatcher(at, name string, argument, got any) string {
	good := false
	switch name {
	case "$type":
		good = argument == jsonType(got)
	case "$match":
		text, isText := got.(string)
		good = isText && regexp.MustCompile(argument.(string)).MatchString(text)
	case "$min":
		number, isNumber := got.(float64)
		good = isNumber && number >= argument.(float64)
	case "$length":
		elements, isArray := got.([]any)
		good = isArray && float64(len(elements)) == argument
	case "$absent":
		good = argument == true && got == nil
	case "$contains":
		if text, isText := got.(string); isText {
			good = strings.Contains(text, argument.(string))
			break
		}
		elements, _ := got.([]any)
		for _, element := range elements {
			good = good || mismatch(at, argument, element) == ""
		}
	case "$all":
		for _, each := range argument.([]any) {
			if fault := mismatch(at, each, got); fault != "" {
				return fault
			}
		}
		good = true
	default:
		return fmt.Sprintf("%s: the matcher %s is not known", at, name)
	}
	if !good {
		return fmt.Sprintf("%s: %s %v does not match %v", at, name, argument, got)
	}
	return ""
}

func jsonType(value any) string {
	switch value.(type) {
	case string:
		return "string"
	case float64:
		return "number"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "null"
}

func TestMatchersTellWhatMatchesFromWhatDoesNot(t *testing.T) {
	value := map[string]any{"a": 1.0, "b": []any{"x", map[string]any{"c": true}}, "t": "text", "n": nil}
	good := []any{
		map[string]any{"a": 1.0}, map[string]any{"n": object{"$absent": true}, "gone": object{"$absent": true}},
		object{"$all": []any{object{"a": object{"$min": 1.0}}, object{"$type": "object"}}},
		object{"b": object{"$contains": object{"c": true}}}, object{"b": object{"$length": 2.0}},
		object{"t": object{"$match": "^te.t$"}}, object{"t": object{"$contains": "ex"}},
	}
	bad := []any{
		object{"a": "1"}, object{"a": object{"$min": 2.0}}, object{"a": object{"$absent": true}},
		object{"b": []any{"x"}}, object{"b": object{"$contains": "y"}}, object{"b": object{"$length": 1.0}},
		object{"t": object{"$match": "^x"}}, object{"t": object{"$type": "number"}}, object{"t": object{"$new": 1.0}},
		object{"$all": []any{object{"a": 1.0}, object{"a": 2.0}}}, object{"t": object{"deep": true}},
	}
	for _, want := range good {
		if fault := mismatch("$", want, value); fault != "" {
			t.Error(fault)
		}
	}
	for _, want := range bad {
		if mismatch("$", want, value) == "" {
			t.Errorf("%v matches", want)
		}
	}
}
