"""Runs other people's forecasters and detectors for `make ml-bench`: reads DIR/cases.json and DIR/rows/*.csv, writes
DIR/forecasts.json and, for each detector, DIR/<detector>/*.csv. Scores are given by Go, the same for all."""
import glob
import json
import logging
import os
import sys
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
os.environ.setdefault("NIXTLA_ID_AS_COL", "1")


def statsforecast(make):
    """A model of statsforecast on one series: point forecasts, and its own intervals."""
    def run(y, h, m):
        got = make(m).forecast(y=y, h=h, level=[80, 95])
        return {"mean": got["mean"], "lo80": got["lo-80"], "hi80": got["hi-80"], "lo95": got["lo-95"], "hi95": got["hi-95"]}
    return run


def prophet(y, h, m):
    """Prophet with its defaults; steps are hours, or days where a season is a week, or months or quarters."""
    from prophet import Prophet
    freq = {24: "h", 7: "D", 12: "MS", 4: "QS"}.get(m, "D")
    at = pd.date_range("2024-01-01", periods=len(y) + h, freq=freq)
    bounds = {}
    for share in (0.8, 0.95):
        model = Prophet(interval_width=share, uncertainty_samples=300)
        model.fit(pd.DataFrame({"ds": at[:len(y)], "y": y}))
        got = model.predict(pd.DataFrame({"ds": at[len(y):]}))
        bounds[share] = got["yhat_lower"].to_numpy(), got["yhat_upper"].to_numpy()
    return {"mean": got["yhat"].to_numpy(), "lo80": bounds[0.8][0], "hi80": bounds[0.8][1], "lo95": bounds[0.95][0], "hi95": bounds[0.95][1]}


def forecasters():
    from statsforecast import models as sf
    return {
        "MSTL": statsforecast(lambda m: sf.MSTL(season_length=[m], trend_forecaster=sf.AutoETS(model="ZZN"))),
        "AutoTheta": statsforecast(lambda m: sf.AutoTheta(season_length=m)),
        "AutoETS": statsforecast(lambda m: sf.AutoETS(season_length=m)),
        "AutoARIMA": statsforecast(lambda m: sf.AutoARIMA(season_length=m)),
        "Prophet": prophet,
    }


def forecast(folder):
    cases = json.load(open(f"{folder}/cases.json"))
    out = {}
    for name, run in forecasters().items():
        chosen = [c for c in cases if name in c["by"]]
        if not chosen:
            continue
        first = chosen[0]  # compiles what is compiled at first use
        attempt(run, first)
        out[name] = {c["key"]: attempt(run, c) for c in chosen}
        print(f"{name}: {len(chosen)} series", file=sys.stderr, flush=True)
    json.dump(out, open(f"{folder}/forecasts.json", "w"))


def attempt(run, c):
    """A forecast as lists, with its seconds; or what went wrong."""
    began = time.process_time()
    try:
        got = run(np.array(c["y"], dtype=float), c["h"], c["season"])
    except Exception as e:  # a peer that refuses a series is counted, not fatal
        return {"fault": f"{type(e).__name__}: {e}"[:200]}
    out = {k: [float(v) for v in values] for k, values in got.items()}
    if not all(np.isfinite(v).all() for v in out.values()):
        return {"fault": "not finite"}
    return {**out, "seconds": time.process_time() - began}


def isolation(rows, train):
    """scikit-learn's isolation forest on raw rows, learnt from the first ones, higher for stranger."""
    forest = IsolationForest(n_estimators=100, random_state=1).fit(rows[:train])
    return -forest.score_samples(rows)


def detect(folder):
    for name in ("isolation forest", "random"):
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    noise = np.random.default_rng(1)
    for path in sorted(glob.glob(f"{folder}/rows/*.csv")):
        file = os.path.basename(path)
        rows = pd.read_csv(path, header=None).fillna(0).to_numpy()
        train = min(len(rows), 3 * 24 * 60 if rows.shape[1] > 1 else max(20, int(0.15 * len(rows))))
        np.savetxt(f"{folder}/isolation forest/{file}", isolation(rows, train), fmt="%.6g")
        np.savetxt(f"{folder}/random/{file}", noise.random(len(rows)), fmt="%.6g")
    print("detectors: done", file=sys.stderr, flush=True)


if __name__ == "__main__":
    detect(sys.argv[1])
    forecast(sys.argv[1])
