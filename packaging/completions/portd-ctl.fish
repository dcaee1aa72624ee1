# SPDX-License-Identifier: MIT
# Completion of portd-ctl(1) for fish. Verbs and options are what portd-ctl itself tells in --help, so that
# they are those of the version that is installed; the words of values are here.

function __portd_ctl_verbs
    portd-ctl --help 2>/dev/null | sed -n '/^Verbs:/,/^$/s/^  \([a-z][a-z-]*\)  *\(.*\)/\1\t\2/p'
end

# The verb on the command line, if there is one.
function __portd_ctl_verb
    set -l verbs (__portd_ctl_verbs | cut -f1)
    for word in (commandline -opc)[2..]
        contains -- $word $verbs; and echo $word; and return
    end
    return 1
end

function __portd_ctl_options
    for verb in (__portd_ctl_verb) ''
        portd-ctl $verb --help 2>/dev/null | grep -oE '^ +(-[a-zA-Z],)?--[a-z-]+' | grep -oE -- '--[a-z-]+'
    end | sort -u
end

# Whether the word before is one of these options.
function __portd_ctl_after
    set -l words (commandline -opc)
    contains -- $words[-1] $argv
end

complete -c portd-ctl -f
complete -c portd-ctl -n 'not __portd_ctl_verb >/dev/null' -a '(__portd_ctl_verbs)'
complete -c portd-ctl -n 'string match -q -- "-*" (commandline -ct)' -a '(__portd_ctl_options)'
complete -c portd-ctl -n '__portd_ctl_after -o --output' -a 'short wide verbose json csv'
complete -c portd-ctl -n '__portd_ctl_after --proto' -a 'tcp udp'
complete -c portd-ctl -n '__portd_ctl_after --role' -a 'client listener accepted datagram'
complete -c portd-ctl -n '__portd_ctl_after --outcome' -a 'closed refused reset timedOut unreachable abandoned'
complete -c portd-ctl -n '__portd_ctl_after --by; and test (__portd_ctl_verb) = map' -a 'program age churn'
complete -c portd-ctl -n '__portd_ctl_after --by; and test (__portd_ctl_verb) != map' -a 'program unit user peer'
complete -c portd-ctl -n '__portd_ctl_after --sort' -a 'leases failures bytes longest'
complete -c portd-ctl -n '__portd_ctl_after --schema' -a 'portd otel ecs'
complete -c portd-ctl -n '__portd_ctl_after --format' -a 'zeek json csv lines'
complete -c portd-ctl -n 'contains attribute (__portd_ctl_verb)' -F
complete -c portd-ctl -n '__portd_ctl_after --color' -a 'auto always never'
complete -c portd-ctl -n '__portd_ctl_after --socket --exe --cursor-file --state-dir' -F
complete -c portd-ctl -n '__portd_ctl_after --unit' -a '(__fish_systemctl_services)'
complete -c portd-ctl -n '__portd_ctl_after --user' -a '(__fish_complete_users)'
