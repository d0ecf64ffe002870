import tracemalloc, gc
from server.standins.serving import serve_standin
from tests.jobs.warm import cheap_sahha, hurried
from tests.jobs.test_keeping_warm import MADE
from tests.product import MORNING
async def test_leak(database, database_url):
    seen=set()
    async with serve_standin(cheap_sahha(seen)) as url:
        async with hurried(database_url, sahha_url=url) as product:
            async with database.connection() as c:
                await c.execute(MADE, MORNING, 150)
            await product.services.health_data.refresh_active(in_full=True)
            tracemalloc.start(8)
            await product.services.health_data.refresh_active(in_full=True)
            gc.collect(); a=tracemalloc.take_snapshot()
            async with database.connection() as c:
                await c.execute("delete from people"); await c.execute(MADE, MORNING, 500)
            await product.services.health_data.refresh_active(in_full=True)
            gc.collect(); b=tracemalloc.take_snapshot()
            tracemalloc.stop()
            for s in b.compare_to(a,'lineno')[:14]: print("LEAK", s)
