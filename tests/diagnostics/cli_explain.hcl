# $ explain kafka_topik
locals {}
