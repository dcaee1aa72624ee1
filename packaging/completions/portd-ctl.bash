# SPDX-License-Identifier: MIT
# Completion of portd-ctl(1) for bash. Verbs and options are what portd-ctl itself tells in --help, so that
# they are those of the version that is installed; the words of values are here.

_portd_ctl_verbs() {
    portd-ctl --help 2>/dev/null | sed -n '/^Verbs:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p'
}

# Of a verb, or without one.
_portd_ctl_options() {
    portd-ctl $1 --help 2>/dev/null | grep -oE '^ +(-[a-zA-Z],)?--[a-z-]+' | grep -oE -- '--[a-z-]+'
}

# Whether the option takes a value: then its name is followed by a word in capitals, or by choices.
_portd_ctl_takes_value() {
    portd-ctl $1 --help 2>/dev/null | grep -qE -- "(^|,| )$2 ([A-Z]|[a-z]+\|)"
}

_portd_ctl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb= i
    COMPREPLY=()
    # "--by=unit" comes as three words.
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    local verbs=" $(_portd_ctl_verbs | tr '\n' ' ')"
    for ((i = 1; i < COMP_CWORD; ++i)); do
        if [[ $verbs == *" ${COMP_WORDS[i]} "* ]]; then
            verb=${COMP_WORDS[i]}
            break
        fi
    done
    local words=
    case $previous in
    -o | --output) words='short wide verbose json csv' ;;
    --proto) words='tcp udp' ;;
    --role) words='client listener accepted datagram' ;;
    --outcome) words='closed refused reset timedOut unreachable abandoned' ;;
    --by) [[ $verb == map ]] && words='program age churn' || words='program unit user peer' ;;
    --sort) words='leases failures bytes longest' ;;
    --schema) words='portd otel ecs' ;;
    --format) words='zeek json csv lines' ;;
    --color) words='auto always never' ;;
    --socket | --exe | --cursor-file | --state-dir)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --user)
        mapfile -t COMPREPLY < <(compgen -u -- "$current")
        return
        ;;
    --unit)
        words=$(systemctl list-units --no-legend --plain --full 2>/dev/null | cut -d' ' -f1)
        ;;
    -*) _portd_ctl_takes_value "$verb" "$previous" && return ;;
    esac
    if [[ $verb == attribute && ! $words && $current != -* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
    fi
    if [[ ! $words ]]; then
        if [[ $current == -* || $verb ]]; then
            words=$(_portd_ctl_options "$verb"; _portd_ctl_options '')
        else
            words=$verbs
        fi
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current" | sort -u)
}

complete -F _portd_ctl portd-ctl
