// Who holds the sockets that a source reports: the holder index, fed by process events where the
// kernel gives them, and spoken in observations.
#pragma once

#include "capture/holder_index.hpp"
#include "capture/process_events.hpp"
#include "capture/source.hpp"

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace portd::capture {

class Attribution {
  public:
    // Without process events (no CAP_NET_ADMIN, or not in the initial pid namespace) new processes
    // are found by listing /proc.
    explicit Attribution(ArgumentPolicy arguments, std::string proc_root = "/proc");

    std::vector<std::string> limitations() const;
    std::vector<int> descriptors() const;

    void read_process_events();
    // During a sample: a recorded socket that some process has.
    void present(std::uint32_t inode, const model::SocketKey &key);
    // After a sample: who has them. Emits what changed since the last one. If /proc cannot be read,
    // this is a limitation until it can.
    void resolve(model::Instant now, const Sink &sink);

  private:
    std::unique_ptr<ProcessReader> reader_; // where the index can keep a reference to it
    std::unique_ptr<ProcessEvents> events_; // null: not available
    std::string no_events_reason_;
    std::string search_fault_; // of the last sample
    std::unique_ptr<HolderIndex> index_;
    std::vector<std::uint32_t> inodes_;
    std::vector<model::SocketKey> keys_; // of inodes_, in the same order
    std::vector<std::uint32_t> previous_inodes_;
    std::vector<model::SocketKey> previous_keys_;
};

} // namespace portd::capture
