import com.jcraft.jsch.ChannelDirectTCPIP;
import com.jcraft.jsch.ChannelExec;
import com.jcraft.jsch.ChannelSftp;
import com.jcraft.jsch.JSch;
import com.jcraft.jsch.Session;
import com.jcraft.jsch.SftpATTRS;
import com.jcraft.jsch.SftpException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;

class JschClient implements Peer.Client {
  private static final int TIMEOUT_MS = 20_000;
  private final Session session;

  JschClient(Peer.Settings settings) throws Exception {
    JSch jsch = new JSch();
    if (settings.text("identity") != null) jsch.addIdentity(settings.text("identity"));
    session = jsch.getSession(settings.text("user"), settings.text("hostname"), settings.port());
    session.setPassword(settings.text("password"));
    session.setConfig("StrictHostKeyChecking", "no");
    set(settings, "kex", "kex");
    set(settings, "ciphers", "cipher.c2s", "cipher.s2c");
    set(settings, "macs", "mac.c2s", "mac.s2c");
    set(settings, "compression", "compression.c2s", "compression.s2c");
    session.connect(TIMEOUT_MS);
  }

  private void set(Peer.Settings settings, String name, String... names) {
    List<String> values = settings.list(name);
    if (values == null) return;
    for (String own : names) session.setConfig(own, String.join(",", values));
  }

  @Override
  public String agreed() {
    return session.getServerVersion() + " " + session.getHostKey().getType();
  }

  @Override
  public int exec(String command) throws Exception {
    ChannelExec channel = (ChannelExec) session.openChannel("exec");
    channel.setCommand(command);
    channel.setInputStream(System.in, true);
    channel.setErrStream(System.err, true);
    InputStream output = channel.getInputStream();
    channel.connect(TIMEOUT_MS);
    output.transferTo(System.out);
    while (!channel.isClosed()) Thread.sleep(5);
    return channel.getExitStatus();
  }

  @Override
  public void dial(String host, int port) throws Exception {
    ChannelDirectTCPIP channel = (ChannelDirectTCPIP) session.openChannel("direct-tcpip");
    channel.setHost(host);
    channel.setPort(port);
    InputStream output = channel.getInputStream();
    OutputStream input = channel.getOutputStream();
    channel.connect(TIMEOUT_MS);
    // Not closed: JSch would close the channel at once, and drop what arrives.
    System.in.transferTo(input);
    input.flush();
    output.transferTo(System.out);
  }

  private ChannelSftp sftp() throws Exception {
    ChannelSftp sftp = (ChannelSftp) session.openChannel("sftp");
    sftp.connect(TIMEOUT_MS);
    return sftp;
  }

  @Override
  public void put(String local, String remote) throws Exception {
    sftp().put(local, remote);
  }

  @Override
  public void get(String remote, String local) throws Exception {
    sftp().get(remote, local);
  }

  @Override
  public Peer.Files files() throws Exception {
    ChannelSftp sftp = sftp();
    return new Peer.Files() {
      @Override
      public void write(String path, byte[] data) throws Exception {
        sftp.put(new ByteArrayInputStream(data), path);
      }

      @Override
      public void append(String path, byte[] data) throws Exception {
        sftp.put(new ByteArrayInputStream(data), path, ChannelSftp.APPEND);
      }

      @Override
      public byte[] read(String path) throws Exception {
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        sftp.get(path, data);
        return data.toByteArray();
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
        sftp.symlink(target, link);
      }

      @Override
      public String readlink(String path) throws Exception {
        return sftp.readlink(path);
      }

      @Override
      public void chmod(String path, int mode) throws Exception {
        sftp.chmod(mode, path);
      }

      @Override
      public void setTime(String path, int seconds) throws Exception {
        sftp.setMtime(path, seconds);
      }

      @Override
      public long[] stat(String path) throws Exception {
        try {
          SftpATTRS info = sftp.stat(path);
          return new long[] {info.getPermissions(), info.getSize(), info.getMTime()};
        } catch (SftpException error) {
          if (error.id == ChannelSftp.SSH_FX_NO_SUCH_FILE) return null;
          throw error;
        }
      }

      @Override
      public List<String> list(String path) throws Exception {
        List<String> names = new ArrayList<>();
        for (ChannelSftp.LsEntry entry : sftp.ls(path)) names.add(entry.getFilename());
        names.removeAll(List.of(".", ".."));
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
  public void close() {
    session.disconnect();
  }
}
