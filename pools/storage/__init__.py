"""The storage pool: real Apache Hadoop HDFS, one NameNode and N DataNodes (Spark joins it with the data pool's issue)."""
