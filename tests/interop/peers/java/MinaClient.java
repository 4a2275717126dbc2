import java.io.FilterInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Paths;
import java.nio.file.attribute.FileTime;
import java.security.KeyPair;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import org.apache.sshd.client.SshClient;
import org.apache.sshd.client.channel.ClientChannel;
import org.apache.sshd.client.channel.ClientChannelEvent;
import org.apache.sshd.client.keyverifier.AcceptAllServerKeyVerifier;
import org.apache.sshd.client.session.ClientSession;
import org.apache.sshd.common.NamedResource;
import org.apache.sshd.common.keyprovider.FileKeyPairProvider;
import org.apache.sshd.common.util.net.SshdSocketAddress;
import org.apache.sshd.sftp.client.SftpClient;
import org.apache.sshd.sftp.client.SftpClientFactory;
import org.apache.sshd.sftp.common.SftpConstants;
import org.apache.sshd.sftp.common.SftpException;

class MinaClient implements Peer.Client {
  private static final Duration TIMEOUT = Duration.ofSeconds(20);
  private final SshClient client = SshClient.setUpDefaultClient();
  private final ClientSession session;

  MinaClient(Peer.Settings settings) throws Exception {
    client.setServerKeyVerifier(AcceptAllServerKeyVerifier.INSTANCE);
    choose(client.getKeyExchangeFactories(), settings.list("kex"));
    choose(client.getCipherFactories(), settings.list("ciphers"));
    choose(client.getMacFactories(), settings.list("macs"));
    client.start();
    session = client.connect(settings.text("user"), settings.text("hostname"), settings.port())
        .verify(TIMEOUT).getSession();
    if (settings.text("identity") != null) {
      FileKeyPairProvider keys = new FileKeyPairProvider(Paths.get(settings.text("identity")));
      for (KeyPair key : keys.loadKeys(session)) session.addPublicKeyIdentity(key);
    }
    if (settings.text("password") != null) session.addPasswordIdentity(settings.text("password"));
    session.auth().verify(TIMEOUT);
  }

  private static <T extends NamedResource> void choose(List<T> factories, List<String> names) {
    if (names != null) factories.removeIf(factory -> !names.contains(factory.getName()));
  }

  @Override
  public String agreed() {
    return session.getServerVersion() + " " + session.getKexNegotiationResult();
  }

  @Override
  public int exec(String command) throws Exception {
    try (ClientChannel channel = session.createExecChannel(command)) {
      channel.setIn(new FilterInputStream(System.in) {
        @Override
        public void close() {} // another thread may be waiting in it
      });
      channel.setOut(System.out);
      channel.setErr(System.err);
      channel.open().verify(TIMEOUT);
      channel.waitFor(EnumSet.of(ClientChannelEvent.CLOSED), Duration.ZERO);
      return channel.getExitStatus();
    }
  }

  @Override
  public void dial(String host, int port) throws Exception {
    SshdSocketAddress here = new SshdSocketAddress("127.0.0.1", 0);
    try (ClientChannel channel = session.createDirectTcpipChannel(here, new SshdSocketAddress(host, port))) {
      channel.open().verify(TIMEOUT);
      System.in.transferTo(channel.getInvertedIn());
      channel.getInvertedIn().close();
      channel.getInvertedOut().transferTo(System.out);
    }
  }

  @Override
  public void put(String local, String remote) throws Exception {
    try (InputStream input = new java.io.FileInputStream(local);
        OutputStream output = sftp().write(remote)) {
      input.transferTo(output);
    }
  }

  @Override
  public void get(String remote, String local) throws Exception {
    try (InputStream input = sftp().read(remote);
        OutputStream output = new java.io.FileOutputStream(local)) {
      input.transferTo(output);
    }
  }

  private SftpClient sftp() throws Exception {
    return SftpClientFactory.instance().createSftpClient(session);
  }

  @Override
  public Peer.Files files() throws Exception {
    SftpClient sftp = sftp();
    return new Peer.Files() {
      private void write(String path, byte[] data, SftpClient.OpenMode... modes) throws Exception {
        try (OutputStream output = sftp.write(path, modes)) {
          output.write(data);
        }
      }

      @Override
      public void write(String path, byte[] data) throws Exception {
        write(path, data, SftpClient.OpenMode.Write, SftpClient.OpenMode.Create, SftpClient.OpenMode.Truncate);
      }

      @Override
      public void append(String path, byte[] data) throws Exception {
        write(path, data, SftpClient.OpenMode.Write, SftpClient.OpenMode.Append);
      }

      @Override
      public byte[] read(String path) throws Exception {
        try (InputStream input = sftp.read(path)) {
          return input.readAllBytes();
        }
      }

      @Override
      public void mkdir(String path) throws Exception {
        sftp.mkdir(path);
      }

      @Override
      public void rename(String from, String to) throws Exception {
        sftp.rename(from, to);
      }

      @Override
      public void symlink(String target, String link) throws Exception {
        sftp.symLink(link, target);
      }

      @Override
      public String readlink(String path) throws Exception {
        return sftp.readLink(path);
      }

      @Override
      public void chmod(String path, int mode) throws Exception {
        sftp.setStat(path, new SftpClient.Attributes().perms(mode));
      }

      @Override
      public void setTime(String path, int seconds) throws Exception {
        FileTime time = FileTime.fromMillis(seconds * 1000L);
        sftp.setStat(path, new SftpClient.Attributes().modifyTime(time).accessTime(time));
      }

      @Override
      public long[] stat(String path) throws Exception {
        try {
          SftpClient.Attributes info = sftp.stat(path);
          return new long[] {info.getPermissions(), info.getSize(), info.getModifyTime().toMillis() / 1000};
        } catch (SftpException error) {
          if (error.getStatus() == SftpConstants.SSH_FX_NO_SUCH_FILE) return null;
          throw error;
        }
      }

      @Override
      public List<String> list(String path) throws Exception {
        List<String> names = new ArrayList<>();
        for (SftpClient.DirEntry entry : sftp.readDir(path)) names.add(entry.getFilename());
        names.removeAll(List.of(".", ".."));
        return names;
      }

      @Override
      public void remove(String path) throws Exception {
        sftp.remove(path);
      }

      @Override
      public void rmdir(String path) throws Exception {
        sftp.rmdir(path);
      }
    };
  }

  @Override
  public void close() throws Exception {
    session.close();
    client.stop();
  }
}
