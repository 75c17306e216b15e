"""A real control plane, a kubelet of processes and an S3 server, for tests and for people."""
