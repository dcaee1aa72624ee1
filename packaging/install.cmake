# What is installed, and where.
include(GNUInstallDirs)
set(PORTD_UNIT_DIR lib/systemd/system CACHE STRING "Where units of systemd go")

install(TARGETS portd DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(TARGETS portd-ctl DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES systemd/portd.service systemd/portd.socket systemd/portd-metrics.service
              systemd/portd-metrics.timer
        DESTINATION ${PORTD_UNIT_DIR})
install(FILES systemd/portd.preset DESTINATION lib/systemd/system-preset RENAME 80-portd.preset)
install(FILES systemd/portd.catalog DESTINATION lib/systemd/catalog)
install(FILES systemd/portd.sysusers DESTINATION lib/sysusers.d RENAME portd.conf)
install(FILES systemd/portd.tmpfiles DESTINATION lib/tmpfiles.d RENAME portd.conf)
install(FILES systemd/fallback.conf packaging/examples/vector.toml packaging/examples/fluent-bit.conf
              packaging/examples/fluent-bit-parsers.conf
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/portd/examples)
install(FILES packaging/portd.toml DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/portd)
install(DIRECTORY DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/portd/portd.toml.d)
install(FILES proto/io.portd.Ports.varlink DESTINATION ${CMAKE_INSTALL_DATADIR}/portd)
install(FILES packaging/completions/portd-ctl.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME portd-ctl)
install(FILES packaging/completions/_portd-ctl
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES packaging/completions/portd-ctl.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
foreach(section IN ITEMS 1 5 7 8)
    file(GLOB pages packaging/man/*.${section})
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
