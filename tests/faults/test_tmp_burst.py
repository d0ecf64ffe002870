import re, httpx, asyncio
from pathlib import Path
from tests.process import service_process
async def test_burst(open_folder: Path) -> None:
    async with service_process(open_folder / "data") as service:
        url = re.search(r"stand-in with invented people, (http://\S+)", service.output)[1]
        async with httpx.AsyncClient(base_url=url, timeout=500, trust_env=False) as s:
            await s.put("/_standin/webhooks", json={"people": [f"generated-{i:05}" for i in range(1,201)], "duplicates": .1, "shuffle": 500})
            import time; t=time.time()
            r=(await s.post("/_standin/webhooks/send", json={"count": 10000, "at_once": 50})).json()
            print(r, time.time()-t)
            print((await s.get("/_standin/counts")).json())
