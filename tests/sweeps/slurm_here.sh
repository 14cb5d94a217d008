#!/usr/bin/env bash
# A real Slurm of one node on loopback: munged, slurmctld, slurmd. As root, with Debian's slurm-wlm and munge installed.
#   slurm_here.sh DIR         start it; prints the path of slurm.conf, for SLURM_CONF
#   slurm_here.sh DIR stop    end what it started
# cred_expire is also how long a job waits that is queued again.
set -euo pipefail
mkdir -p "$1"
DIR=$(cd "$1" && pwd)
HOST=$(hostname -s)

if [[ "${2:-}" == stop ]]; then
  for name in ctld d munge; do
    if [[ -f "$DIR/$name.pid" ]]; then kill "$(cat "$DIR/$name.pid")" 2> /dev/null || true; fi
  done
  exit 0
fi

mkdir -p "$DIR"/{state,spool,log}
if ! munge -n < /dev/null &> /dev/null; then
  [[ -s /etc/munge/munge.key ]] || dd if=/dev/urandom of=/etc/munge/munge.key bs=1 count=1024 status=none
  chown munge:munge /etc/munge/munge.key
  chmod 400 /etc/munge/munge.key
  mkdir -p /run/munge
  chown munge:munge /run/munge
  runuser -u munge -- /usr/sbin/munged < /dev/null &> /dev/null
  cp /run/munge/munged.pid "$DIR/munge.pid"
fi

cat > "$DIR/slurm.conf" << CONF
ClusterName=pythia
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=${SLURM_PORT:-16827}
SlurmdPort=$((${SLURM_PORT:-16827} + 1))
AuthType=auth/munge
AuthInfo=cred_expire=10
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool
SlurmctldLogFile=$DIR/log/ctld
SlurmdLogFile=$DIR/log/d
SlurmctldPidFile=$DIR/ctld.pid
SlurmdPidFile=$DIR/d.pid
SlurmUser=root
MaxArraySize=1000
JobRequeue=1
KillWait=2
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=cpu Nodes=$HOST Default=YES MaxTime=60 State=UP OverSubscribe=FORCE:4
CONF
export SLURM_CONF=$DIR/slurm.conf
slurmctld < /dev/null &> /dev/null
slurmd < /dev/null &> /dev/null
for _ in $(seq 100); do
  if sinfo --noheader --format=%T 2> /dev/null | grep -q idle; then
    echo "$SLURM_CONF"
    exit 0
  fi
  sleep 0.2
done
echo "Slurm does not start; see $DIR/log" >&2
exit 1
