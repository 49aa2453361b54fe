// Command modulezip packs this module into a folder that serves as a module proxy, by GOPROXY=file://.
package main

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const module = "github.com/ecp-ai/orchestrator-client-go"

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage, in the module's folder: go run ./internal/modulezip VERSION FOLDER")
		os.Exit(2)
	}
	if err := pack(os.Args[1], filepath.Join(os.Args[2], filepath.FromSlash(module), "@v")); err != nil {
		fmt.Fprintln(os.Stderr, "modulezip:", err)
		os.Exit(1)
	}
}

func pack(version, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Unix(0, 0).UTC()})
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{version + ".mod": mod, version + ".info": info, "list": []byte(version + "\n")} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(folder, version+".zip"))
	if err != nil {
		return err
	}
	archive := zip.NewWriter(file)
	if err := addFiles(archive, module+"@"+version+"/"); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return file.Close()
}

func addFiles(archive *zip.Writer, prefix string) error {
	return filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if hidden := strings.HasPrefix(entry.Name(), ".") && path != "."; hidden || !entry.Type().IsRegular() {
			if hidden && entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		target, err := archive.Create(prefix + filepath.ToSlash(path))
		if err != nil {
			return err
		}
		_, err = target.Write(content)
		return err
	})
}
