/**
 * For more hosts than one machine should handle: a queue hands them out to workers on several
 * machines. Each job is a plain call of fleet(); the queue keeps retries and results.
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh examples/fleet_queue.ts work
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/fleet_queue.ts run 50 'uptime' web1 web2 … web5000    # 50 hosts a job
 *
 * REDIS_URL says where Redis is; redis://127.0.0.1:6379 unless set.
 */
import { ConnectError, fleet, type FleetResultJson, resultJson } from "@denossh/ssh";
import { type Job, Queue, QueueEvents, Worker } from "npm:bullmq@5.81.5";

const [mode, size, command, ...hosts] = Deno.args;
const url = Deno.env.get("REDIS_URL") ?? "redis://127.0.0.1:6379";
const connection = { url, maxRetriesPerRequest: null };
const NAME = "fleet";

interface Task {
  readonly command: string;
  readonly hosts: readonly string[];
  /** Results of earlier attempts. */
  readonly done: readonly FleetResultJson[];
}

/**
 * Runs the command on the hosts of a job; throws if some could not be reached, so that the queue
 * retries them.
 */
async function work(job: Job<Task>): Promise<FleetResultJson[]> {
  const { command, hosts, done } = job.data;
  const { results } = await fleet(hosts, { retries: 0, timeout: 60_000 }).run(command);
  const isLast = job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
  const away = isLast
    ? []
    : results.filter((it) => !it.success && it.error instanceof ConnectError);
  const ended = [...done, ...results.filter((it) => !away.includes(it)).map(resultJson)];
  if (away.length === 0) return ended;
  await job.updateData({ command, hosts: away.map(({ host }) => host), done: ended });
  throw new Error(`${away.length} of ${hosts.length} hosts cannot be reached`);
}

if (mode === "work") {
  const worker = new Worker(NAME, work, { connection });
  Deno.addSignalListener("SIGTERM", () => worker.close()); // after its current job
  await worker.waitUntilReady();
  console.log("Waiting for jobs");
} else {
  const queue = new Queue<Task, FleetResultJson[]>(NAME, { connection });
  const events = new QueueEvents(NAME, { connection });
  await events.waitUntilReady();
  const opts = { attempts: 3, backoff: { type: "exponential", delay: 1000 } };
  const tasks: Task[] = [];
  for (let at = 0; at < hosts.length; at += Number(size)) {
    tasks.push({ command: command!, hosts: hosts.slice(at, at + Number(size)), done: [] });
  }
  const jobs = await queue.addBulk(tasks.map((data) => ({ name: "run", data, opts })));
  for (const job of jobs) {
    for (const result of await job.waitUntilFinished(events)) console.log(JSON.stringify(result));
  }
  await Promise.all([events.close(), queue.close()]);
}
