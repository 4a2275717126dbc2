import java.util.Arrays;
import java.util.Random;
import java.util.TreeSet;

/** All requests for files, in an empty folder, which is empty again afterwards. */
class Everything {
  static void run(Peer.Files files, String folder) throws Exception {
    byte[] data = new byte[3_000_001];
    new Random(1).nextBytes(data);
    files.write(folder + "/file", data);
    check(Arrays.equals(files.read(folder + "/file"), data), "the file differs");
    files.write(folder + "/file", Arrays.copyOf(data, 1_000_000));
    check(files.stat(folder + "/file")[1] == 1_000_000, "the file was not replaced");
    files.append(folder + "/file", Arrays.copyOfRange(data, 1_000_000, data.length));
    check(Arrays.equals(files.read(folder + "/file"), data), "the appended file differs");
    files.mkdir(folder + "/sub");
    files.rename(folder + "/file", folder + "/sub/moved");
    check(files.stat(folder + "/file") == null, "the renamed file is still there");
    files.symlink("moved", folder + "/sub/link");
    check(files.readlink(folder + "/sub/link").equals("moved"), "the link differs");
    check(files.stat(folder + "/sub/link")[1] == data.length, "the link leads elsewhere");
    files.chmod(folder + "/sub/moved", 0640);
    files.setTime(folder + "/sub/moved", 1_000_000_000);
    long[] info = files.stat(folder + "/sub/moved");
    check((info[0] & 0777) == 0640 && info[2] == 1_000_000_000L, "attributes: " + Arrays.toString(info));
    for (int i = 0; i < 300; i++) files.write(folder + "/sub/" + i, new byte[i]);
    check(new TreeSet<>(files.list(folder + "/sub")).size() == 302, "the list differs");
    for (String name : files.list(folder + "/sub")) files.remove(folder + "/sub/" + name);
    files.rmdir(folder + "/sub");
    check(files.list(folder).isEmpty(), "the folder is not empty");
  }

  private static void check(boolean isRight, String problem) {
    if (!isRight) throw new AssertionError(problem);
  }
}
