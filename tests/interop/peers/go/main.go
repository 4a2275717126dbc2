// Command peer is a foreign SSH server and client for the tests, over golang.org/x/crypto/ssh.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

func main() {
	commands := map[string]func([]string) error{"server": serve, "client": client}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: peer server|client [flags]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(255)
	}
}

type algorithmChoice struct {
	kex, ciphers, macs *string
	rekey              *uint64
}

func algorithmFlags(flags *flag.FlagSet) algorithmChoice {
	return algorithmChoice{
		kex:     flags.String("kex", "", "key exchanges, comma separated"),
		ciphers: flags.String("ciphers", "", "ciphers, comma separated"),
		macs:    flags.String("macs", "", "MACs, comma separated"),
		rekey:   flags.Uint64("rekey", 0, "bytes after which new keys are made"),
	}
}

func (choice algorithmChoice) config() ssh.Config {
	split := func(list *string) []string {
		if *list == "" {
			return nil
		}
		return strings.Split(*list, ",")
	}
	return ssh.Config{
		KeyExchanges:   split(choice.kex),
		Ciphers:        split(choice.ciphers),
		MACs:           split(choice.macs),
		RekeyThreshold: *choice.rekey,
	}
}

// report says on stderr what was agreed on, for tests to assert.
func report(role string, conn ssh.Conn) {
	if c, ok := conn.(ssh.AlgorithmsConnMetadata); ok {
		a := c.Algorithms()
		fmt.Fprintf(os.Stderr, "agreed %s kex=%s hostkey=%s read=%s,%s write=%s,%s\n", role,
			a.KeyExchange, a.HostKey, a.Read.Cipher, a.Read.MAC, a.Write.Cipher, a.Write.MAC)
	}
}

func loadKey(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(text)
}

func authorizedKeys(path string) (map[string]bool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	for len(bytes.TrimSpace(text)) > 0 {
		key, _, _, rest, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			return nil, err
		}
		keys[string(key.Marshal())], text = true, rest
	}
	return keys, nil
}
