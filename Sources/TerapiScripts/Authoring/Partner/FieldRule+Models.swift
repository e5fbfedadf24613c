extension FieldRule {
    private static func heart(_ field: String, _ words: String) -> FieldRule {
        FieldRule(field, .plain, words, in: 20...250, besides: "bpm rate")
    }

    private static func seconds(
        _ field: String, _ words: String, in range: ClosedRange<Double> = 1...86_400, isWithin: Bool = false
    ) -> FieldRule {
        FieldRule(field, .measure(.duration, "s"), words, in: range, isWithin: isWithin)
    }

    private static let spo2 = FieldRule(
        "spo2_percent", .measure(.ratio, "percent"), "spo2", in: 50...100, besides: "avg")
    private static let device = FieldRule("device", .text, "device,device name,source device", besides: "model")
    private static let hrv = [
        FieldRule("hrv_rmssd_ms", .plain, "rmssd", in: 2...400, besides: "hrv avg ms"),
        FieldRule("hrv_sdnn_ms", .plain, "sdnn", in: 2...400, besides: "hrv avg ms"),
    ]

    static let health: [String: [FieldRule]] = [
        "sleep": [
            FieldRule("id", .id, "id"),
            FieldRule("start_at", .moment, "start,onset", besides: "bedtime bed"),
            FieldRule("end_at", .moment, "end", besides: "bedtime bed wake"),
            FieldRule("local_date", .day, "date,day", besides: "local calendar"),
            FieldRule("is_nap", .flag, "nap", besides: "is"),
            seconds("in_bed_seconds", "bed", in: 600...86_400, isWithin: true),
            seconds(
                "asleep_seconds", "asleep,sleep total,sleep duration,sleep time,duration", in: 600...72_000,
                isWithin: true),
            seconds("awake_seconds", "awake", in: 1...43_200, isWithin: true),
            seconds("light_seconds", "light", in: 1...57_600, isWithin: true),
            seconds("deep_seconds", "deep", in: 1...36_000, isWithin: true),
            seconds("rem_seconds", "rem", in: 1...36_000, isWithin: true),
            seconds("latency_seconds", "latency", in: 1...21_600, isWithin: true),
            FieldRule(
                "wake_count", .count, "awakening,awakening count,wake count", in: 0...200,
                besides: "num number of times"),
            FieldRule("efficiency_percent", .measure(.ratio, "percent"), "efficiency", in: 5...100),
            heart("avg_hr_bpm", "avg hr,avg bpm"), heart("min_hr_bpm", "min hr,min bpm"),
            FieldRule("respiratory_rate_bpm", .plain, "breath rate,avg breath,breath", in: 4...60, besides: "avg bpm"),
            spo2,
            FieldRule(
                "temperature_delta_celsius", .plain, "temperature deviation celsius", in: -15...15, besides: "skin body"
            ),
            FieldRule("score", .plain, "score,sleep score", in: 11...100), device,
        ] + hrv,
        "activity": [
            FieldRule("id", .id, "id"),
            FieldRule("start_at", .moment, "start"), FieldRule("end_at", .moment, "end"),
            FieldRule("local_date", .day, "date,day", besides: "local calendar"),
            FieldRule("sport", .sport, "sport,type,kind", besides: "name"),
            FieldRule("name", .text, "name,title"),
            seconds("duration_seconds", "duration", in: 30...604_800, isWithin: true),
            seconds("active_seconds", "moving,active", in: 30...604_800, isWithin: true),
            FieldRule("distance_meters", .measure(.distance, "m"), "distance", in: 50...500_000),
            FieldRule("energy_kcal", .measure(.energy, "kcal"), "calorie,energy,kcal,kj", in: 5...15_000),
            heart("avg_hr_bpm", "avg hr,avg bpm"), heart("max_hr_bpm", "max hr,max bpm"),
            FieldRule("avg_speed_mps", .measure(.speed, "mps"), "avg speed", in: 0.2...30),
            FieldRule("max_speed_mps", .measure(.speed, "mps"), "max speed", in: 0.2...50),
            FieldRule(
                "elevation_gain_meters", .measure(.climb, "m"), "elevation gain,ascent,altitude gain", in: 1...12_000),
            FieldRule("steps", .count, "step,step count", in: 0...200_000, besides: "total"),
            FieldRule("avg_power_watts", .plain, "avg power,avg watt", in: 5...1500, besides: "watt"),
            // Without a unit: some count the steps of one leg.
            FieldRule("avg_cadence_rpm", .plain, "avg cadence rpm,avg cadence spm", in: 5...300), device,
        ],
        "daily": [
            FieldRule("id", .id, "id"),
            FieldRule("local_date", .day, "date,day", besides: "local calendar summary"),
            FieldRule("steps", .count, "step,step count", in: 0...200_000, besides: "total"),
            FieldRule("distance_meters", .measure(.distance, "m"), "distance", in: 100...200_000),
            FieldRule("floors", .count, "floor", in: 0...2000, besides: "climbed count"),
            FieldRule(
                "energy_total_kcal", .measure(.energy, "kcal"),
                "calorie total,calorie burned,total energy,calorie,energy",
                in: 800...12_000),
            FieldRule(
                "energy_active_kcal", .measure(.energy, "kcal"), "active calorie,active energy,active kcal",
                in: 5...10_000),
            FieldRule(
                "energy_basal_kcal", .measure(.energy, "kcal"), "basal,bmr,resting calorie,resting energy",
                in: 600...4500, besides: "metabolic rate"),
            seconds("active_seconds", "active"),
            seconds("low_seconds", "low,lightly,light", in: 1...86_400),
            seconds("moderate_seconds", "moderate,fairly,medium"),
            seconds("vigorous_seconds", "vigorous,high,very"), seconds("sedentary_seconds", "sedentary,inactive"),
            heart("resting_hr_bpm", "resting hr,rest hr,rhr"), heart("avg_hr_bpm", "avg hr"),
            heart("min_hr_bpm", "min hr"),
            heart("max_hr_bpm", "max hr"),
            FieldRule("hrv_rmssd_ms", .plain, "rmssd", in: 2...400, besides: "hrv avg ms"),
            FieldRule("stress_avg", .plain, "avg stress,stress avg level", in: 11...100, besides: "level"),
            spo2, FieldRule("vo2max_ml_kg_min", .plain, "vo2max", in: 10...100),
            FieldRule("readiness_score", .plain, "readiness,recovery", in: 11...100, besides: "score"),
            FieldRule("activity_score", .plain, "activity score", in: 11...100), device,
        ],
        "body": [
            FieldRule("id", .id, "id"),
            FieldRule("measured_at", .moment, "measured,taken,timestamp,time,recorded,date time,date"),
            FieldRule("local_date", .day, "date,day", besides: "local calendar"),
            FieldRule("weight_kg", .measure(.mass, "kg"), "weight", in: 20...350),
            FieldRule("height_cm", .measure(.height, "cm"), "height", in: 60...250),
            FieldRule("bmi", .plain, "bmi", in: 8...90),
            FieldRule(
                "body_fat_percent", .measure(.ratio, "percent"),
                "fat percent,fat ratio,fat fraction,bodyfat percent,bodyfat,body fat",
                in: 2...75),
            FieldRule("muscle_mass_kg", .measure(.mass, "kg"), "muscle mass", in: 5...150),
            FieldRule("bone_mass_kg", .measure(.mass, "kg"), "bone mass", in: 0.5...10),
            FieldRule(
                "water_percent", .measure(.ratio, "percent"), "water percent,water ratio,hydration percent", in: 20...85
            ),
            FieldRule("lean_mass_kg", .measure(.mass, "kg"), "lean mass,fat free mass", in: 10...200),
            FieldRule(
                "systolic_mmhg", .measure(.pressure, "mmhg"), "systolic", in: 50...300, besides: "blood pressure bp"),
            FieldRule(
                "diastolic_mmhg", .measure(.pressure, "mmhg"), "diastolic", in: 30...200, besides: "blood pressure bp"),
            heart("heart_rate_bpm", "hr"),
            FieldRule("glucose_mg_dl", .measure(.glucose, "mg_dl"), "glucose", in: 20...700, besides: "blood"),
            FieldRule("body_temperature_celsius", .measure(.temperature, "celsius"), "temperature", in: 30...44),
            spo2, device,
        ],
    ]

    static let business: [String: [FieldRule]] = [
        "ticket": [
            FieldRule("id", .id, "id"), FieldRule("title", .text, "title,subject,summary,name"),
            FieldRule("description", .text, "description,body,content"), FieldRule("status", .choice, "status,state"),
            FieldRule("priority", .choice, "priority"), FieldRule("type", .text, "type"),
            FieldRule("number", .text, "number,key"), FieldRule("parent_id", .text, "parent id"),
            FieldRule("due_at", .moment, "due"), FieldRule("closed_at", .moment, "closed,resolved,completed"),
            FieldRule("url", .text, "url", besides: "web html"),
        ],
        "comment": [
            FieldRule("id", .id, "id"), FieldRule("parent_id", .text, "parent id,ticket id,issue id,file id"),
            FieldRule("body", .text, "body,text,content,comment,message"),
            FieldRule("body_html", .text, "body html,html"),
            FieldRule("is_private", .flag, "private,internal", besides: "is"),
            FieldRule("url", .text, "url", besides: "web html"),
        ],
        "contact": [
            FieldRule("id", .id, "id"), FieldRule("name", .text, "name,display name,full name"),
            FieldRule("first_name", .text, "first name,given name,firstname"),
            FieldRule("last_name", .text, "last name,family name,surname,lastname"),
            FieldRule("title", .text, "job title,title"),
            FieldRule("company_id", .text, "company id,account id"),
            FieldRule("url", .text, "url", besides: "web html"),
        ],
        "company": [
            FieldRule("id", .id, "id"), FieldRule("name", .text, "name,display name,company"),
            FieldRule("website", .text, "website,website url"), FieldRule("industry", .text, "industry"),
            FieldRule("employee_count", .count, "employee count,employees,number of employees"),
            FieldRule("url", .text, "url", besides: "web html"),
        ],
        "file": [
            FieldRule("id", .id, "id"), FieldRule("name", .text, "name,file name,filename"),
            FieldRule("mime_type", .text, "mime type,content type,mimetype"),
            FieldRule("size_bytes", .count, "size bytes,bytes,file size bytes"),
            FieldRule("parent_id", .text, "parent id,folder id"),
            FieldRule("path", .text, "path", besides: "file full"),
            FieldRule("version", .text, "version"), FieldRule("checksum", .text, "checksum,md5,hash,sha256"),
            FieldRule("web_url", .text, "url", besides: "web html view"),
        ],
        "calendar_event": [
            FieldRule("id", .id, "id"), FieldRule("title", .text, "title,summary,subject,name"),
            FieldRule("starts_at", .moment, "start"), FieldRule("ends_at", .moment, "end"),
            FieldRule("all_day", .flag, "all day", besides: "is"), FieldRule("location", .text, "location,place"),
            FieldRule("timezone", .text, "timezone"), FieldRule("status", .choice, "status"),
            FieldRule("description", .text, "description,notes,body"),
            FieldRule("url", .text, "url", besides: "web html"),
        ],
    ]
}
