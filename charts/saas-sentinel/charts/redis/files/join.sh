#!/bin/sh
# Keeps one node in its cluster: introduces it to its peers at their present addresses, and gives it its share of the slots, or makes it
# the replica of whoever has that share. It changes nothing in a cluster that is whole, and may run at any time, on every node.
# PEERS: all hosts, in order. SELF: this node's place among them, from 0. MASTERS: how many share the slots. PORT. REDISCLI_AUTH: the password.
set -u
ask() { # ask HOST COMMAND...
  host=$1
  shift
  timeout 5 redis-cli -h "$host" -p "$PORT" --no-auth-warning "$@" 2>/dev/null | tr -d '\r'
}
step() {
  place=0 me='' others=0 met=0
  for peer in $PEERS; do
    if [ "$place" = "$SELF" ]; then me=$peer; else others=$((others + 1)); fi
    place=$((place + 1))
  done
  [ "$(ask "$me" PING)" = PONG ] || return 0
  assigned=0
  for peer in $PEERS; do
    [ "$peer" = "$me" ] && continue
    id=$(ask "$peer" CLUSTER MYID)
    [ -n "$id" ] || continue
    has=$(ask "$peer" CLUSTER INFO | sed -n 's/^cluster_slots_assigned://p')
    [ "${has:-0}" -gt "$assigned" ] && assigned=$has
    if ask "$me" CLUSTER NODES | grep "^$id " | grep -qv -e fail -e handshake -e noaddr; then
      met=$((met + 1))
    else
      case $peer in
      *[!0-9.]*) address=$(getent hosts "$peer" | awk '{ print $1; exit }') ;;
      *) address=$peer ;;
      esac
      [ -n "$address" ] && ask "$me" CLUSTER MEET "$address" "$PORT" >/dev/null
    fi
  done
  [ "$met" = "$others" ] || return 0 # no shares before all know each other
  mine=$(ask "$me" CLUSTER NODES | grep myself)
  case $mine in
  *slave*) return 0 ;;
  esac
  [ "$(echo "$mine" | wc -w)" -gt 8 ] && return 0 # it has slots
  share=$((SELF % MASTERS))
  from=$((share * 16384 / MASTERS)) to=$(((share + 1) * 16384 / MASTERS - 1))
  holder=$(ask "$me" CLUSTER NODES | awk -v slots="$from-$to" '{ for (i = 9; i <= NF; i++) if ($i == slots) print $1 }' | head -n 1)
  if [ -n "$holder" ]; then
    ask "$me" CLUSTER REPLICATE "$holder" >/dev/null && echo "replica of $holder"
  elif [ "$SELF" -lt "$MASTERS" ] && [ "$assigned" -lt 16384 ]; then
    ask "$me" CLUSTER ADDSLOTSRANGE "$from" "$to" >/dev/null && echo "slots $from to $to"
  fi
}
while :; do
  step
  [ "${ONCE:-}" ] && exit 0
  sleep 5
done
