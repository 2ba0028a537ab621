"""FedTPC-H-lite: TPC-H with ``orders``, ``customer``, ``nation``, ``region`` in PostgreSQL and ``lineitem``, ``supplier`` as Parquet."""

from __future__ import annotations

REMOTE = ("customer", "orders", "nation", "region")
FILES = ("lineitem", "supplier")
KEYS = {"customer": "c_custkey", "orders": "o_orderkey", "nation": "n_nationkey", "region": "r_regionkey"}

QUERIES = {
    "Q3": """select l_orderkey, sum(l_extendedprice*(1-l_discount)) as revenue, o_orderdate, o_shippriority
from {customer} customer, {orders} orders, {lineitem} lineitem
where c_mktsegment='BUILDING' and c_custkey=o_custkey and l_orderkey=o_orderkey
and o_orderdate < date '1995-03-15' and l_shipdate > date '1995-03-15' group by l_orderkey,o_orderdate,o_shippriority
order by revenue desc, o_orderdate limit 10""",
    "Q4": """select o_orderpriority, count(*) as order_count from {orders} orders where o_orderdate >= date '1993-07-01'
and o_orderdate < date '1993-10-01' and o_orderkey in (select l_orderkey from {lineitem} lineitem where l_commitdate < l_receiptdate)
group by o_orderpriority order by o_orderpriority""",
    "Q5": """select n_name, sum(l_extendedprice*(1-l_discount)) as revenue
from {customer} customer, {orders} orders, {lineitem} lineitem, {supplier} supplier, {nation} nation, {region} region
where c_custkey=o_custkey and l_orderkey=o_orderkey and l_suppkey=s_suppkey and c_nationkey=s_nationkey and s_nationkey=n_nationkey
and n_regionkey=r_regionkey and r_name='ASIA' and o_orderdate >= date '1994-01-01' and o_orderdate < date '1995-01-01'
group by n_name order by revenue desc""",
    "Q10": """select c_custkey,c_name,sum(l_extendedprice*(1-l_discount)) as revenue,c_acctbal,n_name,c_address,c_phone,c_comment
from {customer} customer,{orders} orders,{lineitem} lineitem,{nation} nation where c_custkey=o_custkey and l_orderkey=o_orderkey
and o_orderdate >= date '1993-10-01' and o_orderdate < date '1994-01-01' and l_returnflag='R' and c_nationkey=n_nationkey
group by c_custkey,c_name,c_acctbal,c_phone,n_name,c_address,c_comment order by revenue desc limit 20""",
    "Q12": """select l_shipmode, count(*) as n,
sum(case when o_orderpriority='1-URGENT' or o_orderpriority='2-HIGH' then 1 else 0 end) as hi
from {orders} orders,{lineitem} lineitem where o_orderkey=l_orderkey and l_shipmode in ('MAIL','SHIP') and l_commitdate<l_receiptdate
and l_shipdate<l_commitdate and l_receiptdate >= date '1994-01-01' and l_receiptdate < date '1995-01-01'
group by l_shipmode order by l_shipmode""",
    "Q18": """select c_name,c_custkey,o_orderkey,o_orderdate,o_totalprice,sum(l_quantity) as q
from {customer} customer,{orders} orders,{lineitem} lineitem
where o_orderkey in (select l_orderkey from {lineitem} lineitem group by l_orderkey having sum(l_quantity) > 300)
and c_custkey=o_custkey and o_orderkey=l_orderkey group by c_name,c_custkey,o_orderkey,o_orderdate,o_totalprice
order by o_totalprice desc, o_orderdate limit 100""",
    "J1": """select sum(l_extendedprice) as s, count(*) as n from {lineitem} lineitem,{orders} orders
where l_orderkey=o_orderkey and o_custkey = 77""",
    "J2": """select o_orderdate, o_totalprice from {orders} orders
where o_orderkey in (select l_orderkey from {lineitem} lineitem where l_partkey = 4711)""",
    "SAME": """select n.n_name, sum(o.o_totalprice) as s from {customer} c join {orders} o on c.c_custkey=o.o_custkey
join {nation} n on c.c_nationkey=n.n_nationkey group by n.n_name""",
}  # fmt: skip
"""With a place for each table's name; every table has an alias."""
