// Lists over all their pages.

package orchestrator

import "iter"

// allPages loads page after page. It may be ranged over again: each time begins with the first page.
func allPages[T any](first int, load func(skip int) (entries []T, more bool, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for skip := first; ; {
			entries, more, err := load(skip)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, entry := range entries {
				if !yield(entry, nil) {
					return
				}
			}
			skip += len(entries)
			if !more || len(entries) == 0 {
				return
			}
		}
	}
}
