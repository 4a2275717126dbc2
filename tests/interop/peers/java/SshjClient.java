import java.io.InputStream;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.TimeUnit;
import net.schmizz.sshj.DefaultConfig;
import net.schmizz.sshj.SSHClient;
import net.schmizz.sshj.common.Factory;
import net.schmizz.sshj.connection.channel.direct.DirectConnection;
import net.schmizz.sshj.connection.channel.direct.Session;
import net.schmizz.sshj.sftp.FileAttributes;
import net.schmizz.sshj.sftp.OpenMode;
import net.schmizz.sshj.sftp.RemoteFile;
import net.schmizz.sshj.sftp.RemoteResourceInfo;
import net.schmizz.sshj.sftp.SFTPClient;
import net.schmizz.sshj.transport.verification.PromiscuousVerifier;

class SshjClient implements Peer.Client {
  private static final int PIECE = 32 * 1024;
  private final SSHClient ssh;

  SshjClient(Peer.Settings settings) throws Exception {
    DefaultConfig config = new DefaultConfig();
    config.setKeyExchangeFactories(chosen(config.getKeyExchangeFactories(), settings.list("kex")));
    config.setCipherFactories(chosen(config.getCipherFactories(), settings.list("ciphers")));
    config.setMACFactories(chosen(config.getMACFactories(), settings.list("macs")));
    ssh = new SSHClient(config);
    ssh.addHostKeyVerifier(new PromiscuousVerifier());
    if (settings.list("compression") != null) ssh.useCompression();
    ssh.connect(settings.text("hostname"), settings.port());
    if (settings.text("identity") != null) {
      ssh.authPublickey(settings.text("user"), settings.text("identity"));
    } else {
      ssh.authPassword(settings.text("user"), settings.text("password"));
    }
  }

  private static <T> List<Factory.Named<T>> chosen(List<Factory.Named<T>> all, List<String> names) {
    if (names == null) return all;
    List<Factory.Named<T>> some = new ArrayList<>(all);
    some.removeIf(factory -> !names.contains(factory.getName()));
    return some;
  }

  @Override
  public String agreed() {
    return ssh.getTransport().getServerVersion();
  }

  @Override
  public int exec(String command) throws Exception {
    try (Session session = ssh.startSession()) {
      Session.Command running = session.exec(command);
      send(running.getOutputStream());
      Thread errors = copy(running.getErrorStream(), System.err);
      running.getInputStream().transferTo(System.out);
      errors.join();
      running.join(20, TimeUnit.SECONDS);
      return running.getExitStatus();
    }
  }

  @Override
  public void dial(String host, int port) throws Exception {
    DirectConnection far = ssh.newDirectConnection(host, port);
    send(far.getOutputStream());
    far.getInputStream().transferTo(System.out);
  }

  /** Sends standard input, and its end. */
  private static void send(OutputStream output) {
    Thread sending = new Thread(() -> {
      try (output) {
        System.in.transferTo(output);
      } catch (Exception error) {
        error.printStackTrace();
      }
    });
    sending.setDaemon(true);
    sending.start();
  }

  private static Thread copy(InputStream input, OutputStream output) {
    Thread copying = new Thread(() -> {
      try {
        input.transferTo(output);
      } catch (Exception error) {
        error.printStackTrace();
      }
    });
    copying.start();
    return copying;
  }

  @Override
  public void put(String local, String remote) throws Exception {
    ssh.newSFTPClient().put(local, remote);
  }

  @Override
  public void get(String remote, String local) throws Exception {
    ssh.newSFTPClient().get(remote, local);
  }

  @Override
  public Peer.Files files() throws Exception {
    SFTPClient sftp = ssh.newSFTPClient();
    return new Peer.Files() {
      private void write(String path, byte[] data, EnumSet<OpenMode> modes, long offset) throws Exception {
        try (RemoteFile file = sftp.open(path, modes);
            OutputStream output = file.new RemoteFileOutputStream(offset, 16)) {
          // Each write is one request.
          for (int at = 0; at < data.length; at += PIECE) output.write(data, at, Math.min(PIECE, data.length - at));
        }
      }

      @Override
      public void write(String path, byte[] data) throws Exception {
        write(path, data, EnumSet.of(OpenMode.WRITE, OpenMode.CREAT, OpenMode.TRUNC), 0);
      }

      @Override
      public void append(String path, byte[] data) throws Exception {
        write(path, data, EnumSet.of(OpenMode.WRITE), sftp.size(path));
      }

      @Override
      public byte[] read(String path) throws Exception {
        try (RemoteFile file = sftp.open(path);
            InputStream input = file.new ReadAheadRemoteFileInputStream(16)) {
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

      // sshj sends the draft's order to every server; those with OpenSSH's order read it the other way round.
      @Override
      public void symlink(String target, String link) throws Exception {
        sftp.symlink(target, link);
      }

      @Override
      public String readlink(String path) throws Exception {
        return sftp.readlink(path);
      }

      @Override
      public void chmod(String path, int mode) throws Exception {
        sftp.chmod(path, mode);
      }

      @Override
      public void setTime(String path, int seconds) throws Exception {
        sftp.setattr(path, new FileAttributes.Builder().withAtimeMtime(seconds, seconds).build());
      }

      @Override
      public long[] stat(String path) throws Exception {
        FileAttributes info = sftp.statExistence(path);
        if (info == null) return null;
        return new long[] {info.getMode().getMask(), info.getSize(), info.getMtime()};
      }

      @Override
      public List<String> list(String path) throws Exception {
        List<String> names = new ArrayList<>();
        for (RemoteResourceInfo entry : sftp.ls(path)) names.add(entry.getName());
        return names;
      }

      @Override
      public void remove(String path) throws Exception {
        sftp.rm(path);
      }

      @Override
      public void rmdir(String path) throws Exception {
        sftp.rmdir(path);
      }
    };
  }

  @Override
  public void close() throws Exception {
    ssh.close();
  }
}
