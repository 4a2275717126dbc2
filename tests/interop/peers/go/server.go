package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/crypto/ssh"
)

// serve is a server that runs what it is asked with `sh -c`, forwards TCP connections, and has files.
func serve(args []string) error {
	flags := flag.NewFlagSet("server", flag.ExitOnError)
	algorithms := algorithmFlags(flags)
	hostKeys := flags.String("host-keys", "", "paths of private keys, comma separated")
	authorized := flags.String("authorized", "", "path of an authorized_keys file")
	user := flags.String("user", "", "the only user let in")
	password := flags.String("password", "", "the password; none is asked for if empty")
	interactive := flags.String("interactive", "", "the answers wanted, one a prompt, comma separated")
	banner := flags.String("banner", "", "shown before authentication")
	files := flags.String("files", "disk", "what SFTP shows: disk or memory")
	flags.Parse(args)

	config := &ssh.ServerConfig{Config: algorithms.config(), MaxAuthTries: 6}
	allowed := func(c ssh.ConnMetadata) bool { return *user == "" || c.User() == *user }
	refused := errors.New("refused")
	if *banner != "" {
		config.BannerCallback = func(ssh.ConnMetadata) string { return *banner }
	}
	if *password != "" {
		config.PasswordCallback = func(c ssh.ConnMetadata, got []byte) (*ssh.Permissions, error) {
			if allowed(c) && string(got) == *password {
				return nil, nil
			}
			return nil, refused
		}
	}
	if *interactive != "" {
		wanted := strings.Split(*interactive, ",")
		config.KeyboardInteractiveCallback = func(c ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			questions, echos := []string{}, []bool{}
			for i := range wanted {
				questions, echos = append(questions, fmt.Sprintf("Question %d: ", i+1)), append(echos, i%2 == 1)
			}
			answers, err := ask("Quiz", "Answer all of them", questions, echos)
			if err != nil || !allowed(c) || strings.Join(answers, ",") != *interactive {
				return nil, refused
			}
			return nil, nil
		}
	}
	if *authorized != "" {
		keys, err := authorizedKeys(*authorized)
		if err != nil {
			return err
		}
		config.PublicKeyCallback = func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if allowed(c) && keys[string(key.Marshal())] {
				return nil, nil
			}
			return nil, refused
		}
	}
	for _, path := range strings.Split(*hostKeys, ",") {
		signer, err := loadKey(path)
		if err != nil {
			return err
		}
		config.AddHostKey(signer)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		socket, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			if err := serveConnection(socket, config, *files); err != nil {
				fmt.Fprintf(os.Stderr, "connection: %v\n", err)
			}
		}()
	}
}

func serveConnection(socket net.Conn, config *ssh.ServerConfig, files string) error {
	defer socket.Close()
	conn, channels, requests, err := ssh.NewServerConn(socket, config)
	if err != nil {
		return err
	}
	report("server", conn.Conn)
	fmt.Fprintf(os.Stderr, "login %s from %s\n", conn.User(), conn.ClientVersion())
	go serveForwards(conn, requests)
	for opened := range channels {
		switch opened.ChannelType() {
		case "session":
			go serveSession(opened, files)
		case "direct-tcpip":
			go serveDial(opened)
		default:
			opened.Reject(ssh.UnknownChannelType, "not known here")
		}
	}
	return conn.Wait()
}

func serveSession(opened ssh.NewChannel, files string) {
	channel, requests, err := opened.Accept()
	if err != nil {
		return
	}
	environment := os.Environ()
	for request := range requests {
		ok := false
		switch request.Type {
		case "env":
			var variable struct{ Name, Value string }
			ok = ssh.Unmarshal(request.Payload, &variable) == nil
			environment = append(environment, variable.Name+"="+variable.Value)
		case "exec":
			var command struct{ Line string }
			if ok = ssh.Unmarshal(request.Payload, &command) == nil; ok {
				go runCommand(channel, command.Line, environment)
			}
		case "subsystem":
			var subsystem struct{ Name string }
			ok = ssh.Unmarshal(request.Payload, &subsystem) == nil && subsystem.Name == "sftp"
			if ok {
				go serveFiles(channel, files)
			}
		}
		if request.WantReply {
			request.Reply(ok, nil)
		}
	}
}

func runCommand(channel ssh.Channel, line string, environment []string) {
	defer channel.Close()
	command := exec.Command("sh", "-c", line)
	command.Env, command.Stdout, command.Stderr = environment, channel, channel.Stderr()
	stdin, err := command.StdinPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		fmt.Fprintln(channel.Stderr(), err)
		return
	}
	go func() { io.Copy(stdin, channel); stdin.Close() }()
	command.Wait()
	channel.CloseWrite()
	status := command.ProcessState.ExitCode()
	if status < 0 {
		signal := strings.TrimPrefix(command.ProcessState.String(), "signal: ")
		name := map[string]string{"killed": "KILL", "terminated": "TERM", "hangup": "HUP"}[signal]
		channel.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Name       string
			CoreDumped bool
			Message    string
			Language   string
		}{name, false, signal, ""}))
		return
	}
	channel.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, uint32(status)))
}

func serveDial(opened ssh.NewChannel) {
	var target struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(opened.ExtraData(), &target); err != nil {
		opened.Reject(ssh.Prohibited, "malformed")
		return
	}
	socket, err := net.Dial("tcp", net.JoinHostPort(target.Host, fmt.Sprint(target.Port)))
	if err != nil {
		opened.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	channel, requests, err := opened.Accept()
	if err != nil {
		socket.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	splice(channel, socket.(*net.TCPConn))
}

// serveForwards answers tcpip-forward: it listens until the connection ends.
func serveForwards(conn *ssh.ServerConn, requests <-chan *ssh.Request) {
	for request := range requests {
		var bind struct {
			Host string
			Port uint32
		}
		if request.Type != "tcpip-forward" || ssh.Unmarshal(request.Payload, &bind) != nil {
			request.Reply(false, nil)
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", bind.Port))
		if err != nil {
			request.Reply(false, nil)
			continue
		}
		port := uint32(listener.Addr().(*net.TCPAddr).Port)
		request.Reply(true, binary.BigEndian.AppendUint32(nil, port))
		go func() { conn.Wait(); listener.Close() }()
		go func() {
			for {
				socket, err := listener.Accept()
				if err != nil {
					return
				}
				origin := socket.RemoteAddr().(*net.TCPAddr)
				extra := ssh.Marshal(struct {
					Host       string
					Port       uint32
					OriginHost string
					OriginPort uint32
				}{bind.Host, port, origin.IP.String(), uint32(origin.Port)})
				channel, inner, err := conn.OpenChannel("forwarded-tcpip", extra)
				if err != nil {
					socket.Close()
					continue
				}
				go ssh.DiscardRequests(inner)
				go splice(channel, socket.(*net.TCPConn))
			}
		}()
	}
}

// splice copies both ways, passing on each half's end.
func splice(channel ssh.Channel, socket *net.TCPConn) {
	done := make(chan struct{})
	go func() { io.Copy(socket, channel); socket.CloseWrite(); close(done) }()
	io.Copy(channel, socket)
	channel.CloseWrite()
	<-done
	channel.Close()
	socket.Close()
}
