import sys
sys.path.insert(0,"/tmp/wt/values/packages/mlops-kit/tests/unit")
import test_same_values as t
from hypothesis import settings as S, given, strategies as st, HealthCheck, Phase, seed
import numpy as np
def test_one_off(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checked=[]
    @seed(20261129)
    @S(max_examples=450, deadline=None, database=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.data())
    def same(data):
        cells=data.draw(t.tables())
        suffix=data.draw(st.sampled_from([".csv",".tsv",".csv.gz",".parquet",".TXT"]))
        kind=data.draw(st.sampled_from(["hist_gradient_boosting","linear","random_forest"]))
        checked.append(t.check(settings,cells,data.draw(t.later(cells)),suffix,kind))
    same()
    print("TABLES",len(checked),"trained",np.count_nonzero(checked),"rows",sum(checked))
