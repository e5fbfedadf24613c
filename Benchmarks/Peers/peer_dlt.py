"""dlt peer: peer_dlt.py sqlite VERSION(v1|v2) STATEDIR [nest=1|0] [strategy] [pk]"""
import sys, os, json, time
t0 = time.perf_counter()
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"; os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
import dlt
from dlt.sources.rest_api import rest_api_source
dest, ver, state, nest = sys.argv[1], sys.argv[2], sys.argv[3], (sys.argv[4:5] or ["1"])[0]
PK = len(sys.argv) > 6 and sys.argv[6] == "pk"   # best configuration for SQLite: without it the merge is quadratic
strat = (sys.argv[5:6] or ["delete-insert"])[0]
d = {"sqlite": lambda: dlt.destinations.sqlalchemy(f"sqlite:///{state}/d.sqlite", create_primary_keys=PK)}[dest]()
os.makedirs(state, exist_ok=True)
src = rest_api_source({"client": {"base_url": f"http://127.0.0.1:8480/{ver}/", "paginator": {"type": "header_link"}},
  "resource_defaults": {"primary_key": "id", "write_disposition": {"disposition": "merge", "strategy": strat}},
  "resources": [{"name": "issues", "endpoint": {"path": "list", "params": {"page": 1, "per_page": 100}}}]})
if nest == "0": src.max_table_nesting = 0
p = dlt.pipeline("peer_" + dest, destination=d, dataset_name="dlt_issues", pipelines_dir=state + "/p")
t1 = time.perf_counter(); p.extract(src); t2 = time.perf_counter(); p.normalize(); t3 = time.perf_counter(); p.load(); t4 = time.perf_counter()
with p.sql_client() as c:
    n = c.execute_sql("select count(*) from issues")[0][0]
print("RESULT", json.dumps({"import": round(t1-t0, 2), "extract": round(t2-t1, 2), "normalize": round(t3-t2, 2), "load": round(t4-t3, 2), "rows": n, "dlt": dlt.__version__}))
