package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

// client logs in and does one thing: `exec COMMAND`, `dial HOST:PORT`, `listen` (which echoes the
// first connection that comes through the server back to it), or one of copyFiles' actions.
func client(args []string) error {
	flags := flag.NewFlagSet("client", flag.ExitOnError)
	algorithms := algorithmFlags(flags)
	address := flags.String("address", "", "host:port of the server")
	user := flags.String("user", "", "who to log in as")
	identity := flags.String("identity", "", "path of a private key")
	password := flags.String("password", "", "password, also given to every interactive prompt")
	answers := flags.String("answers", "", "answers to interactive prompts, comma separated")
	hostKey := flags.String("host-key", "", "the host key wanted, as a public key line; any if empty")
	hostKeyAlgorithms := flags.String("host-key-algorithms", "", "comma separated")
	pty := flags.Bool("pty", false, "ask for a terminal")
	env := flags.String("env", "", "NAME=VALUE to set")
	flags.Parse(args)

	config := &ssh.ClientConfig{
		Config:          algorithms.config(),
		User:            *user,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		BannerCallback:  func(text string) error { fmt.Fprint(os.Stderr, "banner ", text); return nil },
	}
	if *hostKeyAlgorithms != "" {
		config.HostKeyAlgorithms = strings.Split(*hostKeyAlgorithms, ",")
	}
	if *hostKey != "" {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*hostKey))
		if err != nil {
			return err
		}
		config.HostKeyCallback = ssh.FixedHostKey(key)
	}
	if *identity != "" {
		signer, err := loadKey(*identity)
		if err != nil {
			return err
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if *password != "" {
		config.Auth = append(config.Auth, ssh.Password(*password))
	}
	if *answers != "" {
		config.Auth = append(config.Auth, ssh.KeyboardInteractive(
			func(name, instruction string, questions []string, echos []bool) ([]string, error) {
				fmt.Fprintf(os.Stderr, "asked %q %q %q %v\n", name, instruction, questions, echos)
				if len(questions) == 0 {
					return nil, nil
				}
				return strings.Split(*answers, ","), nil
			}))
	}
	conn, err := ssh.Dial("tcp", *address, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	report("client", conn.Conn)
	switch action, rest := flags.Arg(0), strings.Join(flags.Args()[1:], " "); action {
	case "exec":
		return execute(conn, rest, *pty, *env)
	case "dial":
		return dial(conn, rest)
	case "listen":
		return listen(conn)
	case "get", "put", "list", "everything":
		return copyFiles(conn, action, flags.Args()[1:])
	default:
		return fmt.Errorf("unknown action %q", action)
	}
}

func execute(conn *ssh.Client, line string, pty bool, env string) error {
	session, err := conn.NewSession()
	if err != nil {
		return err
	}
	session.Stdin, session.Stdout, session.Stderr = os.Stdin, os.Stdout, os.Stderr
	if name, value, found := strings.Cut(env, "="); found {
		if err := session.Setenv(name, value); err != nil {
			return err
		}
	}
	if pty {
		if err := session.RequestPty("xterm", 24, 80, ssh.TerminalModes{ssh.ECHO: 0}); err != nil {
			return err
		}
	}
	err = session.Run(line)
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		if exit.Signal() != "" {
			fmt.Fprintf(os.Stderr, "signal %s\n", exit.Signal())
		}
		conn.Close()
		os.Exit(exit.ExitStatus())
	}
	return err
}

func dial(conn *ssh.Client, address string) error {
	far, err := conn.Dial("tcp", address)
	if err != nil {
		return err
	}
	go func() { io.Copy(far, os.Stdin); far.(interface{ CloseWrite() error }).CloseWrite() }()
	_, err = io.Copy(os.Stdout, far)
	return err
}

func listen(conn *ssh.Client) error {
	listener, err := conn.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	far, err := listener.Accept()
	if err != nil {
		return err
	}
	defer far.Close()
	_, err = io.Copy(far, far)
	return err
}
