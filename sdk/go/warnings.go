// What the server wants said beside its answers.

package orchestrator

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	warning = regexp.MustCompile(`\d{3} \S+ "((?:[^"\\]|\\.)*)"`)
	escape  = regexp.MustCompile(`\\(?:u\{([0-9a-fA-F]{1,6})\}|(.))`)
)

// warningTexts answers the texts of Warning headers, of which one line can hold several.
func warningTexts(header http.Header) []string {
	var texts []string
	for _, line := range header.Values("Warning") {
		found := warning.FindAllStringSubmatch(line, -1)
		if found == nil {
			texts = append(texts, line)
		}
		for _, text := range found {
			texts = append(texts, escape.ReplaceAllStringFunc(text[1], unescaped))
		}
	}
	return texts
}

// warningCodes answers what each of so many warnings is about. Where others between added warnings of their own,
// nothing says which is whose.
func warningCodes(header http.Header, count int) []string {
	var codes []string
	for _, line := range header.Values("X-Warning-Code") {
		for _, code := range strings.Split(line, ",") {
			codes = append(codes, strings.TrimSpace(code))
		}
	}
	if len(codes) != count {
		return make([]string, count)
	}
	return codes
}

// unescaped answers the character that an escape stands for.
func unescaped(escaped string) string {
	parts := escape.FindStringSubmatch(escaped)
	if parts[2] != "" {
		return parts[2]
	}
	code, err := strconv.ParseInt(parts[1], 16, 32)
	if err != nil || code > utf8.MaxRune {
		return escaped
	}
	return string(rune(code))
}
