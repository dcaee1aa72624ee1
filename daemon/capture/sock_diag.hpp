// The two netlink conversations of the sock_diag tier, sock_diag(7). Faults are std::system_error.
#pragma once

#include "capture/inet_diag.hpp"
#include "system/fd.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace portd::capture {

// Dumps the socket tables, of both families at once.
class DiagDump {
  public:
    using OnBatch = std::function<void(const std::vector<DiagSocket> &)>;

    DiagDump();

    // Reads all sockets in batches of up to 32 KiB; `on_batch` is called for each as it arrives. Of
    // TCP, listeners come before connections. Returns what went wrong, empty if all was read to the
    // end.
    std::string read(Protocol protocol, const OnBatch &on_batch);

  private:
    std::string receive_all(Protocol protocol, const OnBatch &on_batch);

    system::Fd socket_;
    std::vector<std::byte> buffer_;
    DiagBatch batch_;
    std::uint32_t sequence_ = 0;
};

// Hears of every TCP and UDP socket of this network namespace that is destroyed: the groups
// SKNLGRP_INET{,6}_{TCP,UDP}_DESTROY, which need CAP_NET_ADMIN.
class DestroyEvents {
  public:
    enum class End {
        empty,  // all that had arrived was read
        missed, // the kernel dropped events because the receive buffer was full, or gave one that
                // cannot be understood; read on
    };

    DestroyEvents();

    int descriptor() const { return socket_.get(); }
    // A BPF program of type socket filter chooses what is heard from now on; bpf(2).
    void filter(int program_fd);
    // Never waits.
    End read_all(const std::function<void(const DiagSocket &)> &on_destroyed);

  private:
    system::Fd socket_;
    std::vector<std::byte> buffer_;
    DiagBatch batch_;
};

} // namespace portd::capture
