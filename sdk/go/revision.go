// What a client has written it reads, whichever replica answers.

package orchestrator

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
)

// seenRevision is the newest revision that an answer named; reads ask for nothing older.
type seenRevision struct {
	mu     sync.Mutex
	newest uint64
	known  bool
}

// show adds it to a read, where there was a write.
func (s *seenRevision) show(method string, header http.Header) {
	if text, known := s.text(); known && method == http.MethodGet {
		header.Set("X-Revision", text)
	}
}

func (s *seenRevision) text() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strconv.FormatUint(s.newest, 10), s.known
}

// note remembers the revision that an answer names.
func (s *seenRevision) note(header http.Header) {
	revision, err := strconv.ParseUint(header.Get("X-Revision"), 10, 64)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest, s.known = max(s.newest, revision), true
}

// forgetWhereUnreached does not ask again for what a server can not reach, such as one that was restored from a backup.
func (s *seenRevision) forgetWhereUnreached(err error) {
	var api *APIError
	if !errors.As(err, &api) || api.Status != http.StatusServiceUnavailable {
		return
	}
	if _, unreached := api.Details["revision"]; unreached {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.newest, s.known = 0, false
	}
}
