"""What an engineer runs in a notebook: house.csv of HDFS, read by the cluster's Spark, goes into two tables and comes back.

Runs in an environment that has PySpark; nothing else is needed. Address, user and password come on standard input.
"""

import json
import sys

from pyspark.sql import SparkSession

given = json.load(sys.stdin)
spark = SparkSession.builder.remote(given["remote"]).getOrCreate()
login = {"user": given["user"], "password": given["password"]}

house = spark.read.csv("hdfs:/sandbox/house.csv", header=True, inferSchema=True)
print(f"Spark {spark.version} read {house.count()} rows of {len(house.columns)} columns")

house.write.format("bdc").options(**login, dbtable="engineer.house", target="local").mode("overwrite").save()

into_the_pool = {"dbtable": "engineer.house_dp", "dataPoolDataSource": "SqlDataPool", "distribution": 'HASH("LSTAT")'}
house.write.format("bdc").options(**login, **into_the_pool).mode("overwrite").save()

back = spark.read.format("bdc").options(**login, dbtable="engineer.house_dp").load()
print(f"read back from the data pool: {back.count()} rows")
