package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// serveFiles answers the sftp subsystem: the machine's own files, or files in memory only, which
// pkg/sftp serves by quite another server.
func serveFiles(channel ssh.Channel, kind string) {
	defer channel.Close()
	var server interface{ Serve() error }
	if kind == "memory" {
		server = sftp.NewRequestServer(channel, sftp.InMemHandler())
	} else {
		files, err := sftp.NewServer(channel)
		if err != nil {
			fmt.Fprintln(os.Stderr, "sftp:", err)
			return
		}
		server = files
	}
	if err := server.Serve(); err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "sftp:", err)
	}
}

// copyFiles does one action over SFTP: `get REMOTE LOCAL`, `put LOCAL REMOTE`, `list PATH`, or
// `everything FOLDER`, which must be there and empty.
func copyFiles(conn *ssh.Client, action string, args []string) error {
	client, err := sftp.NewClient(conn, sftp.UseConcurrentWrites(true), sftp.UseConcurrentReads(true))
	if err != nil {
		return err
	}
	defer client.Close()
	switch action {
	case "get":
		from, err := client.Open(args[0])
		if err != nil {
			return err
		}
		defer from.Close()
		to, err := os.Create(args[1])
		if err != nil {
			return err
		}
		if _, err := from.WriteTo(to); err != nil {
			return err
		}
		return to.Close()
	case "put":
		from, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer from.Close()
		to, err := client.Create(args[1])
		if err != nil {
			return err
		}
		if _, err := to.ReadFrom(from); err != nil {
			return err
		}
		return to.Close()
	case "list":
		names, err := list(client, args[0])
		fmt.Println(strings.Join(names, "\n"))
		return err
	default:
		return everything(client, args[0])
	}
}

func list(client *sftp.Client, folder string) ([]string, error) {
	entries, err := client.ReadDir(folder)
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	sort.Strings(names)
	return names, err
}

// trial holds the first thing that went wrong; what follows is left out.
type trial struct {
	client *sftp.Client
	err    error
}

func (t *trial) must(what string, err error) {
	if t.err == nil && err != nil {
		t.err = fmt.Errorf("%s: %w", what, err)
	}
}

func (t *trial) want(what string, ok bool, seen ...any) {
	if t.err == nil && !ok {
		t.err = fmt.Errorf("%s: got %v", what, seen)
	}
}

// everything that pkg/sftp's client can ask of a server.
func everything(client *sftp.Client, folder string) error {
	t := &trial{client: client}
	at := func(name string) string { return path.Join(folder, name) }
	t.paths(at)
	if t.err == nil {
		t.attributes(at)
	}
	if t.err == nil {
		t.blocks(at("blocks"))
	}
	if t.err == nil {
		t.crowd(at)
	}
	if t.err == nil {
		t.must("remove all", client.RemoveAll(at("tree")))
		_, err := client.Lstat(at("tree"))
		t.want("removed", errors.Is(err, os.ErrNotExist), err)
	}
	return t.err
}

func (t *trial) write(name, content string) {
	file, err := t.client.Create(name)
	t.must("create", err)
	if t.err == nil {
		_, err = io.WriteString(file, content)
		t.must("write", err)
		t.must("close", file.Close())
	}
}

func (t *trial) read(name string) string {
	file, err := t.client.Open(name)
	t.must("open", err)
	if t.err != nil {
		return ""
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	t.must("read", err)
	return string(content)
}

func (t *trial) paths(at func(string) string) {
	c := t.client
	for _, extension := range []string{"posix-rename@openssh.com", "hardlink@openssh.com", "statvfs@openssh.com"} {
		_, has := c.HasExtension(extension)
		t.want("extension", has, extension)
	}
	t.must("mkdir all", c.MkdirAll(at("tree/deep er/ü")))
	t.must("mkdir", c.Mkdir(at("tree/empty")))
	t.want("mkdir twice", c.Mkdir(at("tree/empty")) != nil)
	t.must("rmdir", c.RemoveDirectory(at("tree/empty")))
	t.want("rmdir of what has files", c.RemoveDirectory(at("tree")) != nil)
	t.write(at("tree/one"), "one")
	t.write(at("tree/two"), "two")
	t.want("rename does not overwrite", c.Rename(at("tree/one"), at("tree/two")) != nil)
	t.must("posix rename", c.PosixRename(at("tree/one"), at("tree/two")))
	t.want("renamed", t.read(at("tree/two")) == "one")
	t.must("rename", c.Rename(at("tree/two"), at("tree/three")))
	t.must("link", c.Link(at("tree/three"), at("tree/hard")))
	t.must("symlink", c.Symlink("three", at("tree/soft")))
	target, err := c.ReadLink(at("tree/soft"))
	t.must("readlink", err)
	t.want("readlink", target == "three", target)
	info, err := c.Lstat(at("tree/soft"))
	t.must("lstat", err)
	t.want("lstat", err == nil && info.Mode()&os.ModeSymlink != 0)
	real, err := c.RealPath(at("tree/../tree/./three"))
	t.must("realpath", err)
	t.want("realpath", real == at("tree/three"), real)
	names, err := list(c, at("tree"))
	t.must("readdir", err)
	t.want("readdir", strings.Join(names, " ") == "deep er hard soft three", names)
	walked := 0
	for walker := c.Walk(at("tree")); walker.Step(); walked++ {
		t.must("walk", walker.Err())
	}
	t.want("walk", walked == 6, walked)
	found, err := c.Glob(at("tree/[hst]*"))
	t.must("glob", err)
	t.want("glob", len(found) == 3, found)
	t.must("remove", c.Remove(at("tree/soft")))
	_, err = c.Stat(at("tree/soft"))
	t.want("what is missing", errors.Is(err, os.ErrNotExist), err)
}

func (t *trial) attributes(at func(string) string) {
	c, name := t.client, at("tree/three")
	then := time.Unix(1_000_000_000, 0)
	t.must("chmod", c.Chmod(name, 0o640))
	t.must("chtimes", c.Chtimes(name, then, then))
	info, err := c.Stat(name)
	t.must("stat", err)
	if t.err == nil {
		t.want("mode", info.Mode() == 0o640, info.Mode())
		t.want("time", info.ModTime().Equal(then), info.ModTime())
		owner := info.Sys().(*sftp.FileStat)
		t.must("chown", c.Chown(name, int(owner.UID), int(owner.GID)))
	}
	t.must("truncate", c.Truncate(name, 2))
	t.want("truncated", t.read(name) == "on", t.read(name))
	disk, err := c.StatVFS(at("."))
	t.must("statvfs", err)
	t.want("statvfs", err == nil && disk.TotalSpace() > 0 && disk.Namemax > 0)
	file, err := c.OpenFile(name, os.O_RDWR|os.O_APPEND)
	t.must("open to append", err)
	if t.err == nil {
		_, err = file.Write([]byte("e!"))
		t.must("append", err)
		t.must("fchmod", file.Chmod(0o600))
		t.must("ftruncate", file.Truncate(3))
		t.must("fsync", file.Sync())
		info, err = file.Stat()
		t.must("fstat", err)
		t.want("fstat", err == nil && info.Size() == 3 && info.Mode() == 0o600)
		t.must("close", file.Close())
		t.want("closed twice", file.Close() != nil)
	}
	t.want("appended", t.read(name) == "one", t.read(name))
	_, err = c.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	t.want("exclusive", err != nil)
}

// blocks reads and writes one file at many places at once.
func (t *trial) blocks(name string) {
	const length, block = 5_000_001, 99_999
	data := make([]byte, length)
	rand.New(rand.NewSource(7)).Read(data)
	file, err := t.client.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	t.must("open", err)
	if t.err != nil {
		return
	}
	defer file.Close()
	t.everywhere(length, block, func(from, to int) error {
		_, err := file.WriteAt(data[from:to], int64(from))
		return err
	})
	seen := make([]byte, length)
	t.everywhere(length, block, func(from, to int) error {
		_, err := file.ReadAt(seen[from:to], int64(from))
		return err
	})
	t.want("blocks", bytes.Equal(seen, data))
	file.Seek(0, io.SeekStart)
	var whole bytes.Buffer
	_, err = file.WriteTo(&whole)
	t.must("write to", err)
	t.want("whole", bytes.Equal(whole.Bytes(), data))
	count, err := file.ReadAt(seen[:10], length-3)
	t.want("end of file", count == 3 && err == io.EOF, count, err)
	t.must("remove an open file", t.client.Remove(name))
}

func (t *trial) everywhere(length, block int, do func(from, to int) error) {
	var all sync.WaitGroup
	failures := make(chan error, length/block+1)
	for from := 0; from < length; from += block {
		all.Add(1)
		go func() {
			defer all.Done()
			failures <- do(from, min(from+block, length))
		}()
	}
	all.Wait()
	close(failures)
	for err := range failures {
		t.must("a block", err)
	}
}

// crowd makes, reads and lists many files at once.
func (t *trial) crowd(at func(string) string) {
	const files = 200 // a server of ours gives out 256 handles
	t.must("mkdir", t.client.Mkdir(at("tree/crowd")))
	t.everywhere(files, 1, func(number, _ int) error {
		one := &trial{client: t.client}
		name, content := at(fmt.Sprintf("tree/crowd/%03d", number)), strings.Repeat("x", number)
		one.write(name, content)
		seen := one.read(name)
		one.want("content", seen == content, len(seen), number)
		return one.err
	})
	names, err := list(t.client, at("tree/crowd"))
	t.must("readdir", err)
	t.want("crowd", len(names) == files, len(names))
}
