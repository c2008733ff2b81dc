// Reads a log (c2sp.org/tlog-tiles) with the packages that Go checks its own module log with: golang.org/x/mod/sumdb.
//
// usage: sumdb VKEY OLDER FOLDER...
//
// A line for each folder: what is proven of it, or why nothing is. OLDER is a file with an earlier checkpoint.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// files reads tiles as they lie in a folder. Go's own paths name the tile height first; tlog-tiles has but one height.
type files string

func (folder files) Height() int                     { return 8 }
func (folder files) SaveTiles([]tlog.Tile, [][]byte) {}
func (folder files) read(t tlog.Tile) ([]byte, error) {
	path := strings.Replace(strings.TrimPrefix(t.Path(), "tile/8/"), "data/", "entries/", 1)
	return os.ReadFile(filepath.Join(string(folder), "tile", path))
}

func (folder files) ReadTiles(tiles []tlog.Tile) (found [][]byte, err error) {
	for _, tile := range tiles {
		data, err := folder.read(tile)
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func open(path, vkey string) (tree tlog.Tree, err error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tree, err
	}
	signed, err := os.ReadFile(path)
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// entries compares every entry with the hash that the tree holds for it; the reader has checked that hash up to the root.
func entries(folder files, tree tlog.Tree, hashes tlog.HashReader) error {
	for first := int64(0); first < tree.N; first += 256 {
		width := tree.N - first
		if width > 256 {
			width = 256
		}
		data, err := folder.read(tlog.Tile{H: 8, L: -1, N: first / 256, W: int(width)})
		if err != nil {
			return err
		}
		for i := first; i < first+width; i++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return fmt.Errorf("entry %d is cut off", i)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			held, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, i)})
			if err != nil {
				return err
			}
			if tlog.RecordHash(data[2:end]) != held[0] {
				return fmt.Errorf("entry %d is not what the tree holds", i)
			}
			data = data[end:]
		}
	}
	return nil
}

func check(vkey, older string, folder files) error {
	tree, err := open(filepath.Join(string(folder), "checkpoint"), vkey)
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(tree, folder)
	if err := entries(folder, tree, hashes); err != nil {
		return err
	}
	old, err := open(older, vkey)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return err
	}
	fmt.Printf("proven: %d entries, the first %d as before\n", tree.N, old.N)
	return nil
}

func main() {
	for _, folder := range os.Args[3:] {
		if err := check(os.Args[1], os.Args[2], files(folder)); err != nil {
			fmt.Printf("not proven: %v\n", err)
		}
	}
}
