// Checks proofs and notes with golang.org/x/mod/sumdb, which shares no line with ours.
//
// Standard input has one question a line, standard output says "ok" or why not:
//
//	inclusion SIZE ROOT INDEX LEAF HASH,HASH,...
//	consistency SIZE ROOT OLD OLDROOT HASH,HASH,...
//	note KEY BASE64-OF-NOTE
//	root SIZE               (leaf n is n as eight big-endian bytes; answers with the root)
//	tile LEVEL N WIDTH      (answers with the path)
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type memory struct {
	hashes []tlog.Hash
	leaves int64
}

func (m *memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = m.hashes[index]
	}
	return out, nil
}

func (m *memory) grow(size int64) error {
	for ; m.leaves < size; m.leaves++ {
		var record [8]byte
		binary.BigEndian.PutUint64(record[:], uint64(m.leaves))
		hashes, err := tlog.StoredHashes(m.leaves, record[:], m)
		if err != nil {
			return err
		}
		m.hashes = append(m.hashes, hashes...)
	}
	return nil
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return value
}

func hash(text string) tlog.Hash {
	value, err := tlog.ParseHash(text)
	if err != nil {
		panic(err)
	}
	return value
}

func hashes(words []string) (list []tlog.Hash) {
	if len(words) == 0 || words[0] == "" {
		return nil
	}
	for _, word := range strings.Split(words[0], ",") {
		list = append(list, hash(word))
	}
	return list
}

func answer(m *memory, words []string) (string, error) {
	switch words[0] {
	case "inclusion":
		return "ok", tlog.CheckRecord(hashes(words[5:]), number(words[1]), hash(words[2]), number(words[3]), hash(words[4]))
	case "consistency":
		return "ok", tlog.CheckTree(hashes(words[5:]), number(words[1]), hash(words[2]), number(words[3]), hash(words[4]))
	case "note":
		verifier, err := note.NewVerifier(words[1])
		if err != nil {
			return "", err
		}
		bytes, err := base64.StdEncoding.DecodeString(words[2])
		if err != nil {
			return "", err
		}
		_, err = note.Open(bytes, note.VerifierList(verifier))
		return "ok", err
	case "root":
		if err := m.grow(number(words[1])); err != nil {
			return "", err
		}
		root, err := tlog.TreeHash(number(words[1]), m)
		return root.String(), err
	case "tile":
		tile := tlog.Tile{H: 8, L: int(number(words[1])), N: number(words[2]), W: int(number(words[3]))}
		return strings.Replace(tile.Path(), "tile/8/", "tile/", 1), nil
	}
	return "", fmt.Errorf("unknown question %q", words[0])
}

func main() {
	m := &memory{}
	input := bufio.NewReader(os.Stdin)
	for {
		line, err := input.ReadString('\n')
		if err != nil {
			return
		}
		text, err := answer(m, strings.Fields(line))
		if err != nil {
			text = "no: " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(text)
	}
}
