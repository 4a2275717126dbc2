import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.sshd.common.file.virtualfs.VirtualFileSystemFactory;
import org.apache.sshd.common.keyprovider.FileKeyPairProvider;
import org.apache.sshd.server.SshServer;
import org.apache.sshd.server.config.keys.AuthorizedKeysAuthenticator;
import org.apache.sshd.server.forward.AcceptAllForwardingFilter;
import org.apache.sshd.server.shell.ProcessShellFactory;
import org.apache.sshd.sftp.server.SftpSubsystemFactory;

/** Runs commands with `sh -c`, forwards TCP connections, and serves the machine's files. */
class MinaServer {
  static void serve(Peer.Settings settings) throws Exception {
    SshServer server = SshServer.setUpDefaultServer();
    server.setHost("127.0.0.1");
    List<Path> keys = settings.list("hostKeys").stream().map(Paths::get).collect(Collectors.toList());
    server.setKeyPairProvider(new FileKeyPairProvider(keys));
    String user = settings.text("user");
    if (settings.text("authorizedKeys") != null) {
      AuthorizedKeysAuthenticator keysOf = new AuthorizedKeysAuthenticator(Paths.get(settings.text("authorizedKeys")));
      server.setPublickeyAuthenticator((name, key, session) ->
          name.equals(user) && keysOf.authenticate(name, key, session));
    }
    String password = settings.text("password");
    if (password != null) {
      server.setPasswordAuthenticator((name, text, session) -> name.equals(user) && text.equals(password));
    }
    server.setCommandFactory((channel, command) ->
        new ProcessShellFactory(command, "/bin/sh", "-c", command).createShell(channel));
    server.setSubsystemFactories(List.of(new SftpSubsystemFactory()));
    server.setFileSystemFactory(new VirtualFileSystemFactory(Paths.get("/")));
    server.setForwardingFilter(AcceptAllForwardingFilter.INSTANCE);
    server.start();
    System.out.println("listening " + server.getPort());
    Thread.sleep(Long.MAX_VALUE);
  }
}
