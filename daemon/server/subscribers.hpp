// The sessions that follow what happens, and the word to them that there may be news.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace portd::server {

class Subscribers {
  public:
    // One that follows, as long as this lives. It must not outlive the Subscribers.
    class Subscription {
      public:
        explicit Subscription(Subscribers &subscribers) : subscribers_(&subscribers) {
            ++subscribers_->count_;
        }
        Subscription(Subscription &&other) noexcept
            : subscribers_(std::exchange(other.subscribers_, nullptr)) {}
        Subscription &operator=(Subscription &&) = delete;
        ~Subscription() {
            if (subscribers_)
                --subscribers_->count_;
        }

      private:
        Subscribers *subscribers_;
    };

    // From any thread.
    bool has_any() const { return count_ > 0; }

    // The rest from the server's thread.

    // How often there was word of news.
    std::uint64_t words() const { return words_; }
    // Calls `wake` at the next word.
    void wait(std::function<void()> wake) { waiting_.push_back(std::move(wake)); }
    void tell() {
        ++words_;
        for (const auto &wake : std::exchange(waiting_, {}))
            wake();
    }

  private:
    std::atomic<int> count_ = 0;
    std::uint64_t words_ = 0;
    std::vector<std::function<void()>> waiting_;
};

} // namespace portd::server
