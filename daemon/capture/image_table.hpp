// The process images that the BPF program told of, as the model's processes. One object an image:
// equal pointers are equal images.
#pragma once

#include "capture/bpf_events.hpp"
#include "capture/bytes.hpp"
#include "capture/process_reader.hpp"

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace portd::capture {

class ImageTable {
  public:
    // News of an image come up to this long after its end.
    static constexpr model::Duration kept_after_end = std::chrono::seconds(10);

    ImageTable(ArgumentPolicy arguments, std::string proc_root = "/proc");

    struct Told {
        model::ProcessRef image;
        model::ProcessRef
            replaced; // the image of the same process before an exec; null: none known
    };
    Told told(const ImageTold &facts);
    // Remembers what the child runs, until it is told of, ends or executes a program.
    void forked(const ImageForked &forked);
    // The image, which is kept for a while; null if it was not known.
    model::ProcessRef ended(const ImageEnded &end);

    // An image that is not known (its facts were lost) is a process without them, until it is told
    // of.
    model::ProcessRef find(const ImageId &id);
    // The image that an exec made `id` from; null if it is not known.
    model::ProcessRef before_exec(const ImageId &id) const;

    // What was told since the last call, and everything that is known, for the table of another
    // instance; which takes it in the same order. recall() throws TruncatedBytes.
    std::vector<std::byte> take_news() { return news_.take(); }
    std::vector<std::byte> everything() const;
    void recall(std::span<const std::byte> news);

    // Forgets what ended long ago, or is gone without a word.
    void tidy(model::Instant now);
    std::size_t size() const { return images_.size(); }

    // The holder of the kernel's own sockets.
    static const model::ProcessRef &kernel();

  private:
    model::Process make(const ImageTold &facts);
    void complete_from_proc(model::Process &process) const;
    void complete_from_parent(model::Process &process, const ImageId &id) const;
    std::optional<ImageId> learn(const ImageId &id, model::ProcessRef process);
    void retire(const ImageId &id, model::Instant at);
    void drop_vanished();

    ProcessReader reader_;
    ArgumentPolicy policy_;
    std::unordered_map<ImageId, model::ProcessRef> images_;
    std::unordered_map<std::uint32_t, ImageId> latest_;      // by pid
    std::unordered_map<ImageId, model::ProcessRef> parents_; // of forked images, when they forked
    std::deque<std::pair<model::Instant, ImageId>> retired_;
    std::size_t tidy_beyond_ = 4096;
    ByteWriter news_;
};

} // namespace portd::capture
