"""run a command and record wall, CPU of its tree, peak RSS of its tree, CPU of nginx, CPU stolen by other work."""
import sys, os, time, json, subprocess, threading, resource, psutil
S = os.environ.get("S", os.path.join(__import__("tempfile").gettempdir(), "terapi-bench")); RES = os.environ.get("RES", f"{S}/results.jsonl"); HZ = os.sysconf("SC_CLK_TCK")
def pidfile(p):
    try: return int(open(p).readline())
    except Exception: return None
def tree_cpu(pid):               # live tree + reaped children of the root
    if not pid: return 0.0
    t = 0.0
    try:
        root = psutil.Process(pid); c = root.cpu_times(); t += c.user + c.system + c.children_user + c.children_system
        for p in root.children(recursive=True):
            try: c = p.cpu_times(); t += c.user + c.system
            except psutil.Error: pass
    except psutil.Error: pass
    return t
def busy():
    f = list(map(int, open("/proc/stat").readline().split()[1:])); return (f[0]+f[1]+f[2]+f[5]+f[6]+f[7]) / HZ
def measure(label, n, cmd, env=None, cwd=None, timeout=900, **extra):
    ng = pidfile(f"{S}/run/nginx.pid")
    g0, b0, r0 = tree_cpu(ng), busy(), resource.getrusage(resource.RUSAGE_CHILDREN)
    t0 = time.perf_counter(); log = open(f"{S}/last-{label.replace('/', '_').replace(' ', '_')}.log", "w+")
    p = subprocess.Popen(cmd, env={**os.environ, **(env or {})}, cwd=cwd, stdout=log, stderr=subprocess.STDOUT, shell=isinstance(cmd, str), start_new_session=True)
    peak = [0]
    def watch():
        try: root = psutil.Process(p.pid)
        except psutil.Error: return
        while p.poll() is None:
            s = 0
            for q in [root] + root.children(recursive=True):
                try: s += q.memory_info().rss
                except psutil.Error: pass
            peak[0] = max(peak[0], s); time.sleep(.05)
    th = threading.Thread(target=watch, daemon=True); th.start()
    try: rc = p.wait(timeout)
    except subprocess.TimeoutExpired: os.killpg(p.pid, 9); rc = p.wait()
    wall = time.perf_counter() - t0; th.join()
    r1 = resource.getrusage(resource.RUSAGE_CHILDREN); cpu = r1.ru_utime + r1.ru_stime - r0.ru_utime - r0.ru_stime
    ngc = tree_cpu(ng) - g0
    log.seek(0); out = log.read(); inner = None
    for l in out.splitlines():
        if l.startswith("RESULT "): inner = json.loads(l[7:])
    d = dict(label=label, n=n, rc=rc, wall=round(wall, 3), rec_s=round(n/wall) if n else None, cpu=round(cpu, 2), ng_cpu=round(ngc, 2),
             others_cpu=round(busy()-b0-cpu-ngc, 2), rss_mb=round(peak[0]/1e6), inner=inner, t=round(time.time()), **extra)
    open(RES, "a").write(json.dumps(d) + "\n"); print(json.dumps(d), flush=True)
    if rc: print(out[-1500:], flush=True)
    return d
if __name__ == "__main__":
    i = sys.argv.index("--"); measure(sys.argv[1], int(sys.argv[2]), sys.argv[i+1:])
