#include "system/message.hpp"

#include <stdexcept>

namespace portd::system {

MessageKind kind_of(Message message) {
    switch (message) {
    case Message::started:
        return {"a1da47e8ee7141fa8cb36f06dd82c3cb", spdlog::level::info};
    case Message::tier_chosen:
        return {"00749a6e5d704cceaaa2ae1e78a24eb7", spdlog::level::info};
    case Message::lesser_tier:
        return {"6b864df184574fc0acf98f4ce68f56c5", spdlog::level::warn};
    case Message::refused:
        return {"3d63dafdafb246389f5f2753f29266fb", spdlog::level::critical};
    case Message::reloaded:
        return {"63783e3f76b04c1da652b7d1952b1ee7", spdlog::level::info};
    case Message::settings_refused:
        return {"1fd36e4f00984d7e8129a2b063c0e82c", spdlog::level::err};
    case Message::gap_opened:
        return {"12d0a834a5b64081b659d75ff8621b0c", spdlog::level::warn};
    case Message::gap_closed:
        return {"7b9b4a8a6b114bf9a2570b10a321629f", spdlog::level::info};
    case Message::file_set_aside:
        return {"3bc4933249ee48b787f835ececd0a5f5", spdlog::level::err};
    case Message::store_failing:
        return {"67e3cd46bc0b450b8a8640cf430b6291", spdlog::level::err};
    case Message::disk_full:
        return {"70cf1f25c26b4acb83df44c1829cc9d1", spdlog::level::err};
    case Message::pool_nearly_exhausted:
        return {"a36883611115412bbd4c3864d0ea5585", spdlog::level::warn};
    case Message::self_check_failed:
        return {"5d8f3d5440704c71b436e412dc373d4c", spdlog::level::err};
    }
    throw std::logic_error("no such message");
}

} // namespace portd::system
