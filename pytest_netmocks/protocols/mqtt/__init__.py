"""MQTT: a broker of 3.1.1 and 5 for one test process."""
