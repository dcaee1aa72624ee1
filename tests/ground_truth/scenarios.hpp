// What can be played. Each runs until all of its leases are over.
#pragma once

#include <cstddef>

namespace ground_truth {

struct Options {
    std::size_t count = 100;
    std::size_t parents = 4;
    bool recorded_listener = true; // its port is one of those that portd records by default
};

void play_churn(const Options &options);    // many connections of one process
void play_programs(const Options &options); // many programs, each with one connection

void play_udp(const Options &options);           // every way in which a datagram socket gets a port
void play_udp_churn(const Options &options);     // many short ones
void play_resolver(const Options &options);      // connect, ask, be answered, close
void play_udp_reconnect(const Options &options); // one socket, one port after another
void play_udp_disconnect(const Options &options); // ports left without a word, several peers

void play_outcomes(const Options &options); // every end of a connection that takes no time
void play_silence(const Options &options);  // the far end does not answer: some seconds
void play_families(const Options &options); // IPv6, dual stack, v4-mapped
void play_sharing(const Options &options);  // several sockets at one port

void play_io_uring(const Options &options);

void play_holders(const Options &options);    // fork, descriptor passing, threads
void play_activation(const Options &options); // descriptors handed to executed programs
void play_images(const Options &options);     // execve(2) under an open socket
void play_pid_reuse(const Options &options);

void play_mptcp(const Options &options); // sockets whose ports are those of others below them
void play_namespaces(const Options &options);
void play_binds(const Options &options);

// What a program does that was executed by a scenario: `name` and its arguments. False: no such
// image.
bool play_image(int argc, char **argv);

} // namespace ground_truth
