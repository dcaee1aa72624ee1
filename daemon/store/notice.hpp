// What happened to the store that its owner may want to log.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace portd::store {

struct Notice {
    enum class Kind {
        dropped,   // old history, as the limits say
        clock_set, // by whom or what ever
        failure,   // something could not be done, and is tried again
        loss,      // something that was stored is gone
        set_aside, // a file that is damaged, or another's, was renamed
    };
    Kind kind = Kind::failure;
    std::string text;
    std::filesystem::path set_aside_as = {}; // only for that kind
};

// One kind of failure, which is told again only when it has changed or was over.
class Trouble {
  public:
    void meet(const std::string &text, std::vector<Notice> &notices) {
        if (text != told_)
            notices.push_back({Notice::Kind::failure, text});
        told_ = text;
    }
    void end() { told_.clear(); }

  private:
    std::string told_;
};

// What was found when the store was opened again.
enum class Recovery {
    unchanged, // all that was committed
    anew,      // some of that is missing: what goes on is to be committed again
};

} // namespace portd::store
